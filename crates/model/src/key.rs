//! Keys of resources.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::kind::{Kind, Scope};
use crate::name::ProxyKey;
use crate::resource::Resource;

/// Key of a resource: its kind, mesh and name. Two resources with one key are the same one.
///
/// Displayed as `MeshTCPRoute default/canary`, or `Zone east` without a mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResourceKey {
    /// Kind of the resource.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// Mesh; `None` for kinds of global scope, and only for those.
    #[serde(serialize_with = "text_or_empty", deserialize_with = "text_if_any")]
    #[schemars(with = "String")]
    pub mesh: Option<String>,
    /// Stored name.
    pub name: String,
}

/// Reason why a document has no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// `type` is missing, not text, or an unknown kind.
    #[error("`type` names no kind that is known")]
    Kind,
    /// `name` is missing, empty or not text.
    #[error("`name` is missing")]
    Name,
    /// `mesh` is not text.
    #[error("`mesh` is no text")]
    Mesh,
}

impl ResourceKey {
    /// Returns the key of a resource in a mesh. For a kind of global scope the mesh is left out.
    pub fn new(kind: Kind, mesh: impl Into<String>, name: impl Into<String>) -> Self {
        let mesh = match kind.scope() {
            Scope::Mesh => Some(mesh.into()),
            Scope::Global => None,
        };
        Self { kind, mesh, name: name.into() }
    }

    /// Returns the key of a resource of a kind of global scope.
    pub fn global(kind: Kind, name: impl Into<String>) -> Self {
        Self::new(kind, "", name)
    }

    /// Reads the key of a document in the Universal format. Without `mesh` it is in the mesh `default`.
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

    /// Returns the key of a proxy's Dataplane.
    pub fn dataplane(proxy: &ProxyKey) -> Self {
        Self::new(Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())
    }

    /// Mesh, or empty text: its form where text is required.
    pub fn mesh_or_empty(&self) -> &str {
        self.mesh.as_deref().unwrap_or_default()
    }

    /// Returns `true` if the document holds a secret: it must not appear in logs or dumps, only in answers to
    /// explicit requests.
    pub fn keeps_a_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::GlobalSecret)
    }
}

impl Resource {
    /// Key of the resource.
    pub fn key(&self) -> ResourceKey {
        ResourceKey::new(self.kind(), self.meta().mesh.as_str(), self.meta().name.as_str())
    }
}

impl fmt::Display for ResourceKey {
    /// Writes `MeshTCPRoute default/canary`, `Zone east`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mesh, name } = self;
        match mesh {
            Some(mesh) => write!(f, "{kind} {mesh}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

/// Serializes no mesh as an empty text, as in the documents of the API.
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
