//! Content of a store in memory, with its latest changes. Pure: times are arguments.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use model::ResourceKey;
use serde_json::Value;

use super::{
    Effect, Expected, Listing, Put, PutResult, Revision, Selection, StoreChange, StoreChangeKind, StoreError,
    Stored, Unreadable,
};

/// Limit on the changes that are kept for watches: a reader that is further behind lists again.
const REMEMBERED: usize = 10_000;

/// Content of a store, with its latest changes.
#[derive(Debug, Default)]
pub(super) struct Contents {
    revision: Revision,
    items: BTreeMap<ResourceKey, Stored>,
    unreadable: Vec<Unreadable>,
    /// Latest changes, oldest first.
    changes: VecDeque<StoreChange>,
    /// Revision after which every change is among them.
    oldest: Revision,
}

/// Put that would be accepted, and was not made yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    /// Result for the caller, once it is made.
    pub(super) written: PutResult,
    /// Change to be made; `None`: the document is stored already.
    pub(super) change: Option<StoreChange>,
}

/// Splits proposals into the results and the changes to be made.
pub(super) fn apart(proposals: Vec<Proposal>) -> (Vec<PutResult>, Vec<StoreChange>) {
    let (written, changes): (Vec<_>, Vec<_>) =
        proposals.into_iter().map(|Proposal { written, change }| (written, change)).unzip();
    (written, changes.into_iter().flatten().collect())
}

impl Contents {
    /// Creates contents from stored resources, as of a revision.
    pub(super) fn new(revision: Revision, items: Vec<Stored>, unreadable: Vec<Unreadable>) -> Self {
        let items = items.into_iter().map(|item| (item.key.clone(), item)).collect();
        Self { revision, items, unreadable, changes: VecDeque::new(), oldest: revision }
    }

    /// Sets the state of a file, where each resource is one; `unusable`: the reason why it cannot be read; `None`: it
    /// can.
    pub(super) fn note_file(&mut self, name: &str, unusable: Option<&str>) {
        self.unreadable.retain(|it| it.name != name);
        let (kind, mesh, name) = (String::new(), String::new(), name.to_owned());
        self.unreadable.extend(unusable.map(|why| Unreadable { kind, mesh, name, why: why.to_owned() }));
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    pub(super) fn get(&self, key: &ResourceKey) -> Option<&Stored> {
        self.items.get(key)
    }

    pub(super) fn list(&self, selection: &Selection) -> Listing {
        let items = self.items.values().filter(|item| selection.holds(&item.key)).cloned();
        let unreadable = self.unreadable.iter().filter(|it| it.is_selected(selection)).cloned().collect();
        Listing::new(self.revision, items.collect()).beside(unreadable)
    }

    /// Prepares the put of a document.
    ///
    /// # Errors
    /// The document does not match its key, or the stored one is not as expected.
    pub(super) fn propose_put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
        now: Timestamp,
    ) -> Result<Proposal, StoreError> {
        check(key, &document)?;
        propose(key, document, expected, self.items.get(key), self.revision.next(), now)
    }

    /// Prepares the put of several documents, one on top of the other.
    ///
    /// # Errors
    /// As [`Contents::propose_put`], of the first that fails.
    pub(super) fn propose_all(&self, puts: Vec<Put>, now: Timestamp) -> Result<Vec<Proposal>, StoreError> {
        let mut revision = self.revision;
        let mut made: BTreeMap<ResourceKey, Stored> = BTreeMap::new();
        let mut proposals = Vec::new();
        for Put { key, document, expected } in puts {
            check(&key, &document)?;
            let found = made.get(&key).or_else(|| self.items.get(&key));
            let proposal = propose(&key, document, expected, found, revision.next(), now)?;
            if let Some(change) = &proposal.change {
                revision = change.revision;
                made.insert(key, proposal.written.stored.clone());
            }
            proposals.push(proposal);
        }
        Ok(proposals)
    }

    /// Prepares the removal of a document.
    ///
    /// # Errors
    /// There is none, or it is not as expected.
    pub(super) fn propose_delete(
        &self,
        key: &ResourceKey,
        expected: Expected,
    ) -> Result<StoreChange, StoreError> {
        let found = self.items.get(key);
        expect(key, expected, found)?;
        match found {
            Some(_) => Ok(StoreChange {
                revision: self.revision.next(),
                key: key.clone(),
                what: StoreChangeKind::Deleted,
            }),
            None => Err(StoreError::NotFound(key.clone())),
        }
    }

    /// Makes a change.
    pub(super) fn make(&mut self, change: StoreChange) {
        self.revision = change.revision;
        self.unreadable.retain(|it| it.key().as_ref() != Some(&change.key));
        match &change.what {
            StoreChangeKind::Put(stored) => {
                self.items.insert(change.key.clone(), stored.clone());
            }
            StoreChangeKind::Deleted => {
                self.items.remove(&change.key);
            }
        }
        self.changes.push_back(change);
        while self.changes.len() > REMEMBERED {
            if let Some(forgotten) = self.changes.pop_front() {
                self.oldest = forgotten.revision;
            }
        }
    }

    /// Returns the changes after a revision; empty if it is the last one.
    ///
    /// # Errors
    /// Not all of them are kept, or there never was such a revision.
    pub(super) fn after(&self, revision: Revision) -> Result<Vec<StoreChange>, StoreError> {
        if revision < self.oldest || revision > self.revision {
            return Err(StoreError::TooOld { after: revision, oldest: self.oldest });
        }
        let first = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(first..).cloned().collect())
    }
}

/// Prepares the put of a document over the stored one, with the given revision.
///
/// # Errors
/// The stored one is not as expected.
pub(super) fn propose(
    key: &ResourceKey,
    document: Value,
    expected: Expected,
    found: Option<&Stored>,
    revision: Revision,
    now: Timestamp,
) -> Result<Proposal, StoreError> {
    expect(key, expected, found)?;
    let (created, effect) = match found {
        Some(found) if found.document == document => {
            let written = PutResult { stored: found.clone(), effect: Effect::Unchanged };
            return Ok(Proposal { written, change: None });
        }
        Some(found) => (found.created, Effect::Changed),
        None => (now, Effect::Created),
    };
    let stored = Stored { key: key.clone(), document, version: revision, created, modified: now };
    let change = StoreChange { revision, key: key.clone(), what: StoreChangeKind::Put(stored.clone()) };
    Ok(Proposal { written: PutResult { stored, effect }, change: Some(change) })
}

/// Checks that a document matches its key.
///
/// # Errors
/// It does not.
pub(super) fn check(key: &ResourceKey, document: &Value) -> Result<(), StoreError> {
    let unfit = |why: String| StoreError::Unfit { key: key.clone(), why };
    let named = ResourceKey::of_document(document).map_err(|why| unfit(why.to_string()))?;
    if named == *key { Ok(()) } else { Err(unfit(format!("the document says that it is {named}"))) }
}

/// Checks that the stored document is as expected.
///
/// # Errors
/// It is not.
pub(super) fn expect(
    key: &ResourceKey,
    expected: Expected,
    found: Option<&Stored>,
) -> Result<(), StoreError> {
    if expected.is_met_by(found) {
        return Ok(());
    }
    Err(StoreError::Conflict { key: key.clone(), expected, found: found.cloned().map(Box::new) })
}
