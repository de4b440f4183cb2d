//! The state that would be in force after a change, and which resources differ in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::Kind;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::document::{comparable, universal};
use super::{Difference, differences};
use crate::store::folder::{Candidate, Entry, Offer};

/// What makes two resources the same one: kind, mesh (empty for kinds of global scope) and stored name.
pub type Key = (Kind, String, String);

/// One resource that becomes different.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// What becomes of it.
    pub verb: Verb,
    /// Its kind.
    pub kind: Kind,
    /// Its mesh; empty for kinds of global scope.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// The fields that differ; empty when the resource comes or goes as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Difference>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It comes.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

impl Verb {
    /// `create`, `update` or `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

impl Serialize for Verb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The state in force with some resources put into it and some taken out.
pub fn overlay(in_force: &Candidate, put: &[Offer], removed: &BTreeSet<Key>) -> Candidate {
    let replaced: BTreeSet<Key> = put.iter().map(|offer| key(&offer.entry)).collect();
    let stays = |offer: &&Offer| {
        let key = key(&offer.entry);
        !replaced.contains(&key) && !removed.contains(&key)
    };
    Candidate {
        offers: in_force.offers.iter().filter(stays).chain(put).cloned().collect(),
        changed: put.iter().map(|offer| Arc::clone(&offer.file)).collect(),
    }
}

/// The resources that differ between two states, by kind, mesh and name.
pub fn resource_changes(in_force: &Candidate, proposed: &Candidate) -> Vec<ResourceChange> {
    let by_key = |candidate: &Candidate| -> BTreeMap<Key, Arc<Entry>> {
        candidate.offers.iter().map(|offer| (key(&offer.entry), Arc::clone(&offer.entry))).collect()
    };
    let (old, new) = (by_key(in_force), by_key(proposed));
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    let change = |key: &Key| {
        let (verb, fields) = match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => return None,
            (Some(old), Some(new)) => {
                let fields = differences(&tree(old), &tree(new));
                (!fields.is_empty()).then_some((Verb::Update, fields))?
            }
            (None, Some(_)) => (Verb::Create, Vec::new()),
            (Some(_), None) => (Verb::Delete, Vec::new()),
            (None, None) => return None,
        };
        let (kind, mesh, name) = key.clone();
        Some(ResourceChange { verb, kind, mesh, name, fields })
    };
    keys.into_iter().filter_map(change).collect()
}

pub(super) fn key(entry: &Entry) -> Key {
    let meta = entry.resource.meta();
    (entry.resource.kind(), meta.mesh.as_str().into(), meta.name.as_str().into())
}

fn tree(entry: &Entry) -> Value {
    comparable(&universal(entry.document.value(), &entry.resource), entry.resource.kind())
}
