//! Resources by who they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{FieldPath, Problem, Resource, ResourceKey, Severity, Violation};
use plan::ProxyId;

use crate::content::Entry;

/// Resources, each once, with the documents that they were read from: those in force, or those that could be.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<ResourceKey, Arc<Entry>>,
}

/// A state of all resources that a source offers.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// The resources.
    pub ledger: Ledger,
    /// The sources, such as files, that say something else than what is in force of them.
    pub changed: BTreeSet<Arc<str>>,
}

impl Ledger {
    /// The resources alone, by key.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<Resource>> {
        self.entries.values().map(|entry| &entry.resource)
    }

    /// The resources with their documents, by key.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&ResourceKey, &Arc<Entry>)> {
        self.entries.iter()
    }

    /// One of them; `None`: it has none of that key.
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// The resource that stands for a proxy; `None`: there is none of that name.
    pub fn of_proxy(&self, proxy: &ProxyId) -> Option<&Arc<Entry>> {
        self.get(&proxy.resource())
    }

    /// A problem that a proxy has with what it should run, told where the resource that stands for it is named.
    pub fn problem_of_proxy(
        &self,
        proxy: &ProxyId,
        severity: Severity,
        message: impl Into<String>,
    ) -> Problem {
        self.problem_of(&proxy.resource(), severity, message)
    }

    /// A problem with a resource, told where that is named.
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

    /// This as a candidate to take the place of another.
    pub fn instead_of(&self, other: &Ledger) -> Candidate {
        let is_new = |(key, entry): &(&ResourceKey, &Arc<Entry>)| {
            other.get(key).is_none_or(|old| !Arc::ptr_eq(old, entry))
        };
        let new = self.entries().filter(is_new);
        let changed = new.map(|(_, entry)| entry.document.source().clone()).collect();
        Candidate { ledger: self.clone(), changed }
    }

    /// Takes one in, in place of what had its key.
    pub fn put(&mut self, entry: Arc<Entry>) {
        self.entries.insert(entry.resource.key(), entry);
    }

    /// Takes one out, if it is there.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.entries.remove(key);
    }

    /// The resources with their documents, as they are written: by source, and in the order of each.
    pub fn as_written(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<Arc<Entry>> = self.entries.values().cloned().collect();
        entries.sort_by_key(|entry| (entry.document.source().clone(), entry.document.start()));
        entries
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl FromIterator<Arc<Entry>> for Ledger {
    /// Of several with one key the last counts.
    fn from_iter<T: IntoIterator<Item = Arc<Entry>>>(entries: T) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.resource.key(), entry)).collect() }
    }
}
