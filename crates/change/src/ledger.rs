//! Resources by identity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{FieldPath, Problem, Resource, ResourceKey, Severity, Violation};
use plan::ProxyId;

use crate::content::Entry;

/// Set of resources, each once, with the documents that they were read from: those in force, or a proposal.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<ResourceKey, Arc<Entry>>,
}

/// Candidate state: all resources that a source offers.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// Resources.
    pub ledger: Ledger,
    /// Sources, such as files, whose content differs from the state in force.
    pub changed: BTreeSet<Arc<str>>,
}

impl Ledger {
    /// Resources alone, by key.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<Resource>> {
        self.entries.values().map(|entry| &entry.resource)
    }

    /// Resources with their documents, by key.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&ResourceKey, &Arc<Entry>)> {
        self.entries.iter()
    }

    /// Entry of a key; `None`: there is none.
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// Resource that stands for a proxy; `None`: there is none of that name.
    pub fn of_proxy(&self, proxy: &ProxyId) -> Option<&Arc<Entry>> {
        self.get(&proxy.resource())
    }

    /// Problem of a proxy with its configuration, placed at the name of the resource that stands for it.
    pub fn problem_of_proxy(
        &self,
        proxy: &ProxyId,
        severity: Severity,
        message: impl Into<String>,
    ) -> Problem {
        self.problem_of(&proxy.resource(), severity, message)
    }

    /// Problem of a resource, placed at its name.
    pub(crate) fn problem_of(
        &self,
        key: &ResourceKey,
        severity: Severity,
        message: impl Into<String>,
    ) -> Problem {
        let found = self.get(key);
        Problem {
            source: found.map_or_else(|| "".into(), |entry| entry.document.source().clone()),
            position: found.and_then(|entry| entry.name_position()),
            severity,
            resource: Some(key.to_string()),
            violation: Violation::new(FieldPath::root(), message),
            help: None,
        }
    }

    /// Candidate of these resources to replace another ledger.
    pub fn instead_of(&self, other: &Ledger) -> Candidate {
        let is_new = |(key, entry): &(&ResourceKey, &Arc<Entry>)| {
            other.get(key).is_none_or(|old| !Arc::ptr_eq(old, entry))
        };
        let new = self.entries().filter(is_new);
        let changed = new.map(|(_, entry)| entry.document.source().clone()).collect();
        Candidate { ledger: self.clone(), changed }
    }

    /// Adds an entry, replacing the one with the same key.
    pub fn put(&mut self, entry: Arc<Entry>) {
        self.entries.insert(entry.resource.key(), entry);
    }

    /// Removes the entry of a key, if there is one.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.entries.remove(key);
    }

    /// Entries as they are written: by source, and in the order of each.
    pub fn as_written(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = self.entries.values().cloned().collect();
        entries.sort_by_key(|entry| (entry.document.source().clone(), entry.document.start()));
        entries
    }

    /// Number of resources.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if there are no resources.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromIterator<Arc<Entry>> for Ledger {
    /// Of several entries with one key the last counts.
    fn from_iter<T: IntoIterator<Item = Arc<Entry>>>(entries: T) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.resource.key(), entry)).collect() }
    }
}
