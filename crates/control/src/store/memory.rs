//! Resources in memory: for tests and for trying things out. What is stored is gone with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::change::Feed;
use super::ledger::{Ledger, Proposal};
use super::{Change, Expected, Key, Listing, Revision, Selection, Store, StoreError, Stored, Watch, Written};

/// Resources in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

/// A ledger that several tasks share, and that wakes those who wait for changes.
#[derive(Debug)]
pub(super) struct Shared {
    // held to look and to change, never across an await
    ledger: Mutex<Ledger>,
    revision: watch::Sender<Revision>,
    leads: watch::Sender<bool>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(Ledger::default())
    }
}

impl Shared {
    pub(super) fn new(ledger: Ledger) -> Self {
        let revision = watch::Sender::new(ledger.revision());
        Self { ledger: Mutex::new(ledger), revision, leads: watch::Sender::new(true) }
    }

    /// The ledger, for one look.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // a change is made in one step, after everything that can fail
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and wakes those who wait for it.
    pub(super) fn make(&self, change: Change) {
        self.make_in(&mut self.ledger(), change);
    }

    fn make_in(&self, ledger: &mut Ledger, change: Change) {
        ledger.make(change);
        self.revision.send_replace(ledger.revision());
    }

    /// The leadership of a process that shares its store with no other.
    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// The changes after a revision, as they come.
    pub(super) fn watch(self: &Arc<Self>, after: Revision) -> Result<Watch, StoreError> {
        self.ledger().after(after)?;
        Ok(Watch::new(Arc::clone(self) as Arc<dyn Feed>, after))
    }
}

#[async_trait]
impl Feed for Shared {
    async fn after(&self, revision: Revision) -> Result<Vec<Change>, StoreError> {
        let mut latest = self.revision.subscribe();
        loop {
            latest.borrow_and_update();
            let changes = self.ledger().after(revision)?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            // the sender lives as long as we do
            let _ = latest.changed().await;
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        Ok(self.shared.ledger().get(key).cloned())
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        Ok(self.shared.ledger().list(selection))
    }

    async fn put(&self, key: &Key, document: Value, expected: Expected) -> Result<Written, StoreError> {
        let mut ledger = self.shared.ledger();
        let Proposal { written, change } = ledger.propose_put(key, document, expected, Timestamp::now())?;
        if let Some(change) = change {
            self.shared.make_in(&mut ledger, change);
        }
        Ok(written)
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Revision, StoreError> {
        let mut ledger = self.shared.ledger();
        let change = ledger.propose_delete(key, expected)?;
        let revision = change.revision;
        self.shared.make_in(&mut ledger, change);
        Ok(revision)
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.shared.watch(after)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.shared.ledger().revision())
    }

    fn describe(&self) -> String {
        "memory".into()
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.shared.leads()
    }
}
