//! Store in memory, for tests and trials. Its content is lost with the process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use model::ResourceKey;
use serde_json::Value;
use tokio::sync::watch;

use super::changes::Feed;
use super::contents::{Contents, Proposal, apart};
use super::past::Pasts;
use super::{
    Expected, HistoryEntry, Listing, Put, PutResult, Revision, Selection, Store, StoreChange, StoreError,
    Stored, Watch,
};

/// Store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

/// Contents shared by several tasks; wakes those that wait for changes.
#[derive(Debug)]
pub(super) struct Shared {
    // held to look and to change, never across an await
    contents: Mutex<Contents>,
    revision: watch::Sender<Revision>,
    leads: watch::Sender<bool>,
    // held to look and to remember, never across an await
    pasts: Mutex<Pasts>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(Contents::default())
    }
}

impl Shared {
    pub(super) fn new(contents: Contents) -> Self {
        let revision = watch::Sender::new(contents.revision());
        Self {
            contents: Mutex::new(contents),
            revision,
            leads: watch::Sender::new(true),
            pasts: Mutex::default(),
        }
    }

    /// Locks the contents, for one look.
    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        // a change is made in one step, after everything that can fail
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and wakes those that wait for it.
    pub(super) fn make(&self, change: StoreChange) {
        self.make_in(&mut self.contents(), change);
    }

    /// Makes several changes at once: nobody sees a part.
    pub(super) fn make_all(&self, changes: Vec<StoreChange>) {
        self.make_all_in(&mut self.contents(), changes);
    }

    fn make_in(&self, contents: &mut Contents, change: StoreChange) {
        self.make_all_in(contents, vec![change]);
    }

    fn make_all_in(&self, contents: &mut Contents, changes: Vec<StoreChange>) {
        changes.into_iter().for_each(|change| contents.make(change));
        self.revision.send_replace(contents.revision());
    }

    /// Lead of a process that shares its store with no other: always `true`.
    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// Watches the changes after a revision.
    pub(super) fn watch(self: &Arc<Self>, after: Revision) -> Result<Watch, StoreError> {
        self.contents().after(after)?;
        Ok(Watch::new(Arc::clone(self) as Arc<dyn Feed>, after))
    }
}

#[async_trait]
impl Feed for Shared {
    async fn after(&self, revision: Revision) -> Result<Vec<StoreChange>, StoreError> {
        let mut latest = self.revision.subscribe();
        loop {
            latest.borrow_and_update();
            let changes = self.contents().after(revision)?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            // the sender lives as long as `self`
            let _ = latest.changed().await;
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        Ok(self.shared.contents().get(key).cloned())
    }

    async fn list(&self, selection: &Selection) -> Result<Listing, StoreError> {
        Ok(self.shared.contents().list(selection))
    }

    async fn put(
        &self,
        key: &ResourceKey,
        document: Value,
        expected: Expected,
    ) -> Result<PutResult, StoreError> {
        let mut contents = self.shared.contents();
        let Proposal { written, change } = contents.propose_put(key, document, expected, Timestamp::now())?;
        if let Some(change) = change {
            self.shared.make_in(&mut contents, change);
        }
        Ok(written)
    }

    async fn put_all(&self, puts: Vec<Put>) -> Result<Vec<PutResult>, StoreError> {
        let mut contents = self.shared.contents();
        let (written, changes) = apart(contents.propose_all(puts, Timestamp::now())?);
        self.shared.make_all_in(&mut contents, changes);
        Ok(written)
    }

    async fn delete(&self, key: &ResourceKey, expected: Expected) -> Result<Revision, StoreError> {
        let mut contents = self.shared.contents();
        let change = contents.propose_delete(key, expected)?;
        let revision = change.revision;
        self.shared.make_in(&mut contents, change);
        Ok(revision)
    }

    async fn watch(&self, after: Revision) -> Result<Watch, StoreError> {
        self.shared.watch(after)
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.shared.contents().revision())
    }

    async fn remember(&self, changes: Vec<HistoryEntry>) -> Result<(), StoreError> {
        let mut pasts = self.shared.pasts.lock().unwrap_or_else(PoisonError::into_inner);
        changes.iter().for_each(|past| pasts.remember(past));
        Ok(())
    }

    async fn past(&self, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(self.shared.pasts.lock().unwrap_or_else(PoisonError::into_inner).of(key))
    }

    fn describe(&self) -> String {
        "memory".into()
    }

    fn leads(&self) -> watch::Receiver<bool> {
        self.shared.leads()
    }
}
