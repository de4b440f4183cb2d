//! Cache of secrets, for times when the store cannot be asked.
//!
//! While a store is unreachable, no token that was valid before is rejected. Revocations meanwhile are not known until
//! it is back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Kind, ResourceKey};
use tokio::time::{sleep, timeout};

use crate::store::{Selection, Store, StoreChange, StoreChangeKind, StoreError, Stored};

/// Limit on the wait for a store; a slower one counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before a lost store is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Secrets of a store. Cloning shares the cache.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    store: Arc<dyn Store>,
    // held for one look or one change, never across an await
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    secrets: BTreeMap<ResourceKey, Stored>,
    /// `true`: all of them were read at least once, so a secret that is not among them does not exist.
    is_whole: bool,
}

impl Memory {
    pub(super) fn of(store: Arc<dyn Store>) -> Self {
        Self { store, kept: Arc::default() }
    }

    /// Returns the current secret; the cached one if the store cannot be asked.
    ///
    /// # Errors
    /// The store cannot be asked, and nothing is cached.
    pub(super) async fn get(&self, key: &ResourceKey) -> Result<Option<Stored>, StoreError> {
        let late = || StoreError::Lost {
            store: self.store.describe(),
            why: format!("no answer within {} s", PATIENCE.as_secs()),
        };
        match timeout(PATIENCE, self.store.get(key)).await.unwrap_or_else(|_| Err(late())) {
            Ok(found) => {
                let mut kept = self.kept();
                match &found {
                    Some(stored) => drop(kept.secrets.insert(key.clone(), stored.clone())),
                    None => drop(kept.secrets.remove(key)),
                }
                Ok(found)
            }
            Err(error) if error.retry_helps() => {
                let kept = self.kept();
                match kept.secrets.get(key) {
                    None if !kept.is_whole => Err(error),
                    found => Ok(found.cloned()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps all secrets up to date, without end.
    pub(super) async fn follow(&self) {
        loop {
            if let Err(error) = self.read_along().await {
                tracing::debug!(%error, "secrets are as they were read last");
            }
            sleep(PAUSE).await;
        }
    }

    async fn read_along(&self) -> Result<(), StoreError> {
        let mut secrets = BTreeMap::new();
        let mut revision = None;
        for kind in [Kind::Secret, Kind::GlobalSecret] {
            let listing = self.store.list(&Selection::of_kind(kind)).await?;
            revision.get_or_insert(listing.revision);
            secrets.extend(listing.items.into_iter().map(|stored| (stored.key.clone(), stored)));
        }
        *self.kept() = Kept { secrets, is_whole: true };
        let mut watch = self.store.watch(revision.unwrap_or_default()).await?;
        loop {
            for StoreChange { key, what, revision: _ } in watch.next().await? {
                if key.keeps_a_secret() {
                    match what {
                        StoreChangeKind::Put(stored) => drop(self.kept().secrets.insert(key, stored)),
                        StoreChangeKind::Deleted => drop(self.kept().secrets.remove(&key)),
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn knows(&self, key: &ResourceKey) -> bool {
        self.kept().secrets.contains_key(key)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // each change of it is one step
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
