//! Proposed state after a change, and the resources that differ in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Profile, ResourceKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{comparable, universal};
use super::stored::in_place_of;
use super::{Difference, differences};
use crate::{Entry, Ledger};

/// Change of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// Kind of the change.
    pub verb: Verb,
    /// Resource.
    #[serde(flatten)]
    pub resource: ResourceKey,
    /// Changed fields; empty if the resource is created or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Difference>,
}

/// Kind of a resource change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// The resource is created.
    Create,
    /// The resource is updated.
    Update,
    /// The resource is deleted.
    Delete,
}

impl Verb {
    /// Name: `create`, `update` or `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

/// Overlays the state in force: some resources are put into it, and some are removed. A document that replaces a stored
/// one leaves the control plane's own parts as they are; it is parsed in `profile`.
pub fn overlay(
    in_force: &Ledger,
    put: &[Arc<Entry>],
    removed: &BTreeSet<ResourceKey>,
    profile: Profile,
) -> Ledger {
    let mut proposed = in_force.clone();
    removed.iter().for_each(|key| proposed.remove(key));
    for entry in put {
        proposed.put(match in_force.get(&entry.resource.key()) {
            Some(old) => in_place_of(old, entry, profile),
            None => Arc::clone(entry),
        });
    }
    proposed
}

/// Differing resources of two states, by key.
pub fn resource_changes(in_force: &Ledger, proposed: &Ledger) -> Vec<ResourceChange> {
    let keys: BTreeSet<&ResourceKey> =
        in_force.entries().chain(proposed.entries()).map(|(key, _)| key).collect();
    let change = |key: &ResourceKey| {
        let (verb, fields) = match (in_force.get(key), proposed.get(key)) {
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => return None,
            (Some(old), Some(new)) => {
                let fields = differences(&tree(old), &tree(new));
                (!fields.is_empty()).then_some((Verb::Update, fields))?
            }
            (None, Some(_)) => (Verb::Create, Vec::new()),
            (Some(_), None) => (Verb::Delete, Vec::new()),
            (None, None) => return None,
        };
        Some(ResourceChange { verb, resource: key.clone(), fields })
    };
    keys.into_iter().filter_map(change).collect()
}

fn tree(entry: &Entry) -> Value {
    comparable(&universal(entry.document.value(), &entry.resource), entry.resource.kind())
}
