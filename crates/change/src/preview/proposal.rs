//! The state that would be in force after a change, and which resources differ in it.

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

/// One resource that becomes different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// What becomes of it.
    pub verb: Verb,
    /// Who it is.
    #[serde(flatten)]
    pub resource: ResourceKey,
    /// The fields that differ; empty when the resource comes or goes as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Difference>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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

/// The state in force with some resources put into it and some taken out. What is put in place of something that a control
/// plane keeps leaves it what is the control plane's, read by `profile`.
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

/// The resources that differ between two states, by key.
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
