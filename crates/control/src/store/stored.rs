//! Input and output types of stores.

use std::fmt;
use std::sync::Arc;

use change::Revision;
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::Value;

/// Stored document.
#[derive(Clone, PartialEq)]
pub struct Stored {
    /// Key of the resource.
    pub key: ResourceKey,
    /// Document in the Universal format, as it was accepted.
    pub document: Value,
    /// Revision of its last change; the expectation for changing it again ([`Expected::Version`]).
    pub version: Revision,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of the last change.
    pub modified: Timestamp,
}

impl fmt::Debug for Stored {
    /// Writes it without the body of a document that keeps a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, document, version, created, modified } = self;
        let document: &dyn fmt::Debug = if key.keeps_a_secret() { &"(secret)" } else { document };
        f.debug_struct("Stored")
            .field("key", key)
            .field("document", document)
            .field("version", version)
            .field("created", created)
            .field("modified", modified)
            .finish()
    }
}

/// Expectation that must be met for a change to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// None: the last writer wins.
    Any,
    /// There is no document.
    Absent,
    /// The last change of the document has this revision.
    Version(Revision),
}

impl Expected {
    /// Returns `true` if the stored document meets the expectation.
    pub fn is_met_by(self, found: Option<&Stored>) -> bool {
        match self {
            Expected::Any => true,
            Expected::Absent => found.is_none(),
            Expected::Version(version) => found.is_some_and(|found| found.version == version),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Any => f.write_str("anything"),
            Expected::Absent => f.write_str("nothing"),
            Expected::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// Document that is to be stored, together with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// Key of the resource.
    pub key: ResourceKey,
    /// Document in the Universal format.
    pub document: Value,
    /// Expectation about the stored document.
    pub expected: Expected,
}

/// Selection of resources to list. The default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Kind of the resources; `None`: any.
    pub kind: Option<Kind>,
    /// Mesh of the resources, which excludes those of global scope; `None`: any.
    pub mesh: Option<String>,
}

impl Selection {
    /// Selects all resources of a kind, in all meshes.
    pub fn of_kind(kind: Kind) -> Self {
        Self { kind: Some(kind), mesh: None }
    }

    /// Restricts the selection to a mesh.
    #[must_use]
    pub fn in_mesh(self, mesh: impl Into<String>) -> Self {
        Self { mesh: Some(mesh.into()), ..self }
    }

    /// Returns `true` if a resource is selected.
    pub fn holds(&self, key: &ResourceKey) -> bool {
        self.kind.is_none_or(|kind| key.kind == kind)
            && self.mesh.as_ref().is_none_or(|mesh| key.mesh.as_ref() == Some(mesh))
    }
}

/// Stored resource that this version cannot read, or that is damaged: it is left as it is, and affects nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Kind that it claims to be of; this version may not know it.
    pub kind: String,
    /// Mesh of the resource; empty: none.
    pub mesh: String,
    /// Name of the resource, or of its file.
    pub name: String,
    /// Reason why it cannot be read.
    pub why: String,
}

impl Unreadable {
    /// Returns its key; `None`: its kind is unknown.
    pub fn key(&self) -> Option<ResourceKey> {
        Some(ResourceKey::new(Kind::from_text(&self.kind)?, self.mesh.as_str(), self.name.as_str()))
    }

    /// Describes its place in words: `MeshOfTheFuture default/n1`.
    pub fn place(&self) -> String {
        let Self { kind, mesh, name, why: _ } = self;
        let mesh = if mesh.is_empty() { String::new() } else { format!("{mesh}/") };
        format!("{kind} {mesh}{name}").trim_start().to_owned()
    }

    /// Returns `true` if it is selected, as far as is known: the kind in an unreadable file is unknown.
    pub(super) fn is_selected(&self, Selection { kind, mesh }: &Selection) -> bool {
        if self.kind.is_empty() {
            return true;
        }
        kind.is_none_or(|kind| self.kind == kind.as_str())
            && mesh.as_ref().is_none_or(|mesh| self.mesh == *mesh)
    }
}

/// Content of a store at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Revision of its last change; watch from here to miss nothing.
    pub revision: Revision,
    /// Resources by kind, then name, then mesh.
    pub items: Vec<Stored>,
    /// Resources that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Epoch of the store that the revisions are from; after a failover it is another one, in which a revision may be
    /// another state than before. `None`: the store has only one, or reports none.
    pub epoch: Option<Arc<str>>,
}

impl Listing {
    /// Creates a listing from items in any order, without unreadable ones.
    pub fn new(revision: Revision, mut items: Vec<Stored>) -> Self {
        let order = |ResourceKey { kind, mesh, name }: &ResourceKey| (*kind, name.clone(), mesh.clone());
        items.sort_by_cached_key(|item| order(&item.key));
        Self { revision, items, unreadable: Vec::new(), epoch: None }
    }

    /// Adds unreadable resources.
    #[must_use]
    pub fn beside(self, unreadable: Vec<Unreadable>) -> Self {
        Self { unreadable, ..self }
    }

    /// Sets the epoch.
    #[must_use]
    pub fn of_epoch(self, epoch: Option<Arc<str>>) -> Self {
        Self { epoch, ..self }
    }
}

/// Result of a put.
#[derive(Clone, Debug, PartialEq)]
pub struct PutResult {
    /// Stored document after the put.
    pub stored: Stored,
    /// Effect of the put.
    pub effect: Effect,
}

/// Effect of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// There was no document before.
    Created,
    /// There was another document before.
    Changed,
    /// An equal document was stored: nothing was written, and its version stays.
    Unchanged,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        let key = ResourceKey::new(Kind::Secret, "default", "token");
        let document =
            json!({ "type": "Secret", "mesh": "default", "name": "token", "data": "aHVudGVyMg==" });
        let now = Timestamp::UNIX_EPOCH;
        let stored = Stored { key, document, version: Revision::new(1), created: now, modified: now };
        let shown = format!("{stored:?}");
        assert!(!shown.contains("aHVudGVyMg"), "{shown}");
        assert!(shown.contains("token"), "{shown}");
    }
}
