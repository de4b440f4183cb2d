//! What makes two resources the same one.

use std::fmt;

use model::Kind;
use model::kind::Scope;
use serde_json::Value;

/// What makes two resources the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The mesh; `None` for kinds of global scope, and only for those.
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

impl Key {
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

    /// The mesh, or nothing: how it is kept where there must be text.
    pub fn mesh_or_empty(&self) -> &str {
        self.mesh.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    /// `MeshTCPRoute default/canary`, `Zone east`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mesh, name } = self;
        match mesh {
            Some(mesh) => write!(f, "{kind} {mesh}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_says_what_it_is() {
        let route = json!({ "type": "MeshTCPRoute", "mesh": "shop", "name": "canary" });
        assert_eq!(Key::of_document(&route), Ok(Key::new(Kind::MeshTCPRoute, "shop", "canary")));
        let route = json!({ "type": "MeshTCPRoute", "name": "canary" });
        assert_eq!(Key::of_document(&route).unwrap().to_string(), "MeshTCPRoute default/canary");
        let mesh = json!({ "type": "Mesh", "name": "shop" });
        assert_eq!(Key::of_document(&mesh).unwrap(), Key::global(Kind::Mesh, "shop"));
        assert_eq!(Key::of_document(&mesh).unwrap().to_string(), "Mesh shop");
        assert_eq!(Key::of_document(&json!({ "type": "Car", "name": "x" })), Err(NoKey::Kind));
        assert_eq!(Key::of_document(&json!({ "type": "Mesh", "name": "" })), Err(NoKey::Name));
        assert_eq!(
            Key::of_document(&json!({ "type": "Dataplane", "name": "x", "mesh": 1 })),
            Err(NoKey::Mesh)
        );
        assert_eq!(Key::of_document(&json!([])), Err(NoKey::Kind));
    }
}
