//! Who a resource is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::kind::{Kind, Scope};
use crate::name::ProxyKey;
use crate::resource::Resource;

/// Who a resource is: two with one key are the same one. By kind, mesh and name.
///
/// Spelled `MeshTCPRoute default/canary`, or `Zone east` where there is no mesh, wherever people read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResourceKey {
    /// The kind.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// The mesh; `None` for kinds of global scope, and only for those.
    #[serde(serialize_with = "text_or_empty", deserialize_with = "text_if_any")]
    #[schemars(with = "String")]
    pub mesh: Option<String>,
    /// The stored name.
    pub name: String,
}

/// Why a document has no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// `type` is missing, no text, or no kind that is known.
    #[error("`type` names no kind that is known")]
    Kind,
    /// `name` is missing, empty or no text.
    #[error("`name` is missing")]
    Name,
    /// `mesh` is no text.
    #[error("`mesh` is no text")]
    Mesh,
}

impl ResourceKey {
    /// The key of a resource in a mesh. For a kind of global scope the mesh is left out.
    pub fn new(kind: Kind, mesh: impl Into<String>, name: impl Into<String>) -> Self {
        let mesh = match kind.scope() {
            Scope::Mesh => Some(mesh.into()),
            Scope::Global => None,
        };
        Self { kind, mesh, name: name.into() }
    }

    /// The key of a resource of a kind of global scope.
    pub fn global(kind: Kind, name: impl Into<String>) -> Self {
        Self::new(kind, "", name)
    }

    /// What a document in the Universal format says it is. Without `mesh` it is in the mesh `default`.
    ///
    /// # Errors
    /// The first of `type`, `name` and `mesh` that cannot be read.
    pub fn of_document(document: &Value) -> Result<Self, NoKey> {
        let text = |field: &str| document.get(field).and_then(Value::as_str);
        let kind = text("type").and_then(Kind::from_text).ok_or(NoKey::Kind)?;
        let name = text("name").filter(|name| !name.is_empty()).ok_or(NoKey::Name)?;
        let mesh = match document.get("mesh") {
            None | Some(Value::Null) => "default",
            Some(Value::String(mesh)) if mesh.is_empty() => "default",
            Some(Value::String(mesh)) => mesh,
            Some(_) => return Err(NoKey::Mesh),
        };
        Ok(Self::new(kind, mesh, name))
    }

    /// The key of a proxy's Dataplane.
    pub fn dataplane(proxy: &ProxyKey) -> Self {
        Self::new(Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())
    }

    /// The mesh, or nothing: how it is kept where there must be text.
    pub fn mesh_or_empty(&self) -> &str {
        self.mesh.as_deref().unwrap_or_default()
    }

    /// Whether the document must be shown to nobody who did not ask for it: not in logs, not in dumps.
    pub fn keeps_a_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::GlobalSecret)
    }
}

impl Resource {
    /// Who it is.
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(self.kind(), self.meta().mesh.as_str(), self.meta().name.as_str())
    }
}

impl fmt::Display for ResourceKey {
    /// `MeshTCPRoute default/canary`, `Zone east`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mesh, name } = self;
        match mesh {
            Some(mesh) => write!(f, "{kind} {mesh}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

/// No mesh is an empty text, as in the documents of the API.
fn text_or_empty<S: Serializer>(mesh: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mesh.as_deref().unwrap_or_default())
}

fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let mesh = String::deserialize(deserializer)?;
    Ok(Some(mesh).filter(|mesh| !mesh.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_says_what_it_is() {
        let route = json!({ "type": "MeshTCPRoute", "mesh": "shop", "name": "canary" });
        assert_eq!(
            ResourceKey::of_document(&route),
            Ok(ResourceKey::new(Kind::MeshTCPRoute, "shop", "canary"))
        );
        let route = json!({ "type": "MeshTCPRoute", "name": "canary" });
        assert_eq!(ResourceKey::of_document(&route).unwrap().to_string(), "MeshTCPRoute default/canary");
        let mesh = json!({ "type": "Mesh", "name": "shop" });
        assert_eq!(ResourceKey::of_document(&mesh).unwrap(), ResourceKey::global(Kind::Mesh, "shop"));
        assert_eq!(ResourceKey::of_document(&mesh).unwrap().to_string(), "Mesh shop");
        assert_eq!(ResourceKey::of_document(&json!({ "type": "Car", "name": "x" })), Err(NoKey::Kind));
        assert_eq!(ResourceKey::of_document(&json!({ "type": "Mesh", "name": "" })), Err(NoKey::Name));
        assert_eq!(
            ResourceKey::of_document(&json!({ "type": "Dataplane", "name": "x", "mesh": 1 })),
            Err(NoKey::Mesh)
        );
        assert_eq!(ResourceKey::of_document(&json!([])), Err(NoKey::Kind));
    }
}
