//! What stores give and take.

use std::fmt;
use std::sync::Arc;

use change::Revision;
use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::Value;

/// A document that is stored.
#[derive(Clone, PartialEq)]
pub struct Stored {
    /// What it is.
    pub key: ResourceKey,
    /// In the Universal format, as it was accepted.
    pub document: Value,
    /// The revision of its last change. What to expect when changing it again ([`Expected::Version`]).
    pub version: Revision,
    /// When it came to be.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
}

impl fmt::Debug for Stored {
    /// Without the body of a document that keeps a secret.
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

/// What must be there for a change to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever: the last writer wins.
    Any,
    /// Nothing.
    Absent,
    /// The document whose last change had this revision.
    Version(Revision),
}

impl Expected {
    /// Whether what is there is as expected.
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

/// A document that is to be stored, together with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// Under which key.
    pub key: ResourceKey,
    /// In the Universal format.
    pub document: Value,
    /// What must be there.
    pub expected: Expected,
}

/// Which resources to list. The default selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this mesh. Resources of global scope are then left out.
    pub mesh: Option<String>,
}

impl Selection {
    /// All of a kind, in all meshes.
    pub fn of_kind(kind: Kind) -> Self {
        Self { kind: Some(kind), mesh: None }
    }

    /// Only what is in this mesh.
    #[must_use]
    pub fn in_mesh(self, mesh: impl Into<String>) -> Self {
        Self { mesh: Some(mesh.into()), ..self }
    }

    /// Whether a resource is selected.
    pub fn holds(&self, key: &ResourceKey) -> bool {
        self.kind.is_none_or(|kind| key.kind == kind)
            && self.mesh.as_ref().is_none_or(|mesh| key.mesh.as_ref() == Some(mesh))
    }
}

/// Something that is kept and that this version cannot read, or that is damaged: it is left as it is, and costs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Of what kind it is said to be; this version may not know it.
    pub kind: String,
    /// Its mesh; empty: none.
    pub mesh: String,
    /// Its name, or that of the file that it is in.
    pub name: String,
    /// Why it cannot be read.
    pub why: String,
}

impl Unreadable {
    /// What it would be; `None`: its kind is not known, or nobody can tell.
    pub fn key(&self) -> Option<ResourceKey> {
        Some(ResourceKey::new(Kind::from_text(&self.kind)?, self.mesh.as_str(), self.name.as_str()))
    }

    /// Where it is, in words: `MeshOfTheFuture default/n1`.
    pub fn place(&self) -> String {
        let Self { kind, mesh, name, why: _ } = self;
        let mesh = if mesh.is_empty() { String::new() } else { format!("{mesh}/") };
        format!("{kind} {mesh}{name}").trim_start().to_owned()
    }

    /// Whether it is selected, as far as can be told: of a file that cannot be read nobody knows what it is.
    pub(super) fn is_selected(&self, Selection { kind, mesh }: &Selection) -> bool {
        if self.kind.is_empty() {
            return true;
        }
        kind.is_none_or(|kind| self.kind == kind.as_str())
            && mesh.as_ref().is_none_or(|mesh| self.mesh == *mesh)
    }
}

/// What was there at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The last change that it has; watch from here to miss nothing.
    pub revision: Revision,
    /// By kind, then name, then mesh.
    pub items: Vec<Stored>,
    /// What is there and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Which life of the store the revisions are of; after a failover it is another one, in which a revision may be another
    /// state than before. `None`: the store has one only, or does not tell.
    pub epoch: Option<Arc<str>>,
}

impl Listing {
    /// Puts items into the order of listings. All could be read.
    pub fn new(revision: Revision, mut items: Vec<Stored>) -> Self {
        let order = |ResourceKey { kind, mesh, name }: &ResourceKey| (*kind, name.clone(), mesh.clone());
        items.sort_by_cached_key(|item| order(&item.key));
        Self { revision, items, unreadable: Vec::new(), epoch: None }
    }

    /// With what could not be read.
    #[must_use]
    pub fn beside(self, unreadable: Vec<Unreadable>) -> Self {
        Self { unreadable, ..self }
    }

    /// As of a life of the store.
    #[must_use]
    pub fn of_epoch(self, epoch: Option<Arc<str>>) -> Self {
        Self { epoch, ..self }
    }
}

/// What came of a put.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// What is there now.
    pub stored: Stored,
    /// What the put did.
    pub effect: Effect,
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was there before.
    Created,
    /// Something else was there before.
    Changed,
    /// An equal document was there: nothing was written, and its version stays.
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
