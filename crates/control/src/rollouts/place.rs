//! Places of rollout statuses: documents of a store, or a file beside documents.

use std::sync::Arc;

use model::ResourceKey;
use serde_json::Value;

use crate::sources::StatusFile;
use crate::store::{Expected, Store, StoreError};

/// Place of the statuses of rollouts.
#[derive(Clone, Debug)]
pub enum StatusStore {
    /// In their documents in a store.
    Store(Arc<dyn Store>),
    /// In a file beside their documents, which are files.
    Beside(StatusFile),
}

impl StatusStore {
    /// Updates the status of a rollout from its current one, on top of any other change of its document. Returns
    /// `false` after a concurrent change, or if the rollout is gone; the next look handles that.
    ///
    /// # Errors
    /// In words: it could not be written.
    pub(super) async fn amend(
        &self,
        key: &ResourceKey,
        make: impl FnOnce(&Value) -> Value,
    ) -> Result<bool, String> {
        match self {
            StatusStore::Store(store) => {
                let Some(stored) = store.get(key).await.map_err(in_words)? else { return Ok(false) };
                let mut document = stored.document;
                document["status"] = make(&document["status"]);
                match store.put(key, document, Expected::Version(stored.version)).await {
                    Ok(_) => Ok(true),
                    Err(StoreError::Conflict { .. } | StoreError::NotFound(_)) => Ok(false),
                    Err(error) => Err(in_words(error)),
                }
            }
            StatusStore::Beside(file) => {
                let before = file.get(key);
                let status = make(&before);
                put(file, key, before, status).await
            }
        }
    }

    /// Removes the status of a deleted rollout; one in a store went with its document.
    ///
    /// # Errors
    /// As [`StatusStore::amend`].
    pub(super) async fn forget(&self, key: &ResourceKey) -> Result<(), String> {
        match self {
            StatusStore::Store(_) => Ok(()),
            StatusStore::Beside(file) => put(file, key, file.get(key), Value::Null).await.map(drop),
        }
    }
}

async fn put(file: &StatusFile, key: &ResourceKey, before: Value, status: Value) -> Result<bool, String> {
    let (file, key) = (file.clone(), key.clone());
    // a disk may be slow, and other tasks must go on
    let put = tokio::task::spawn_blocking(move || file.put(&key, &before, status));
    put.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn in_words(error: StoreError) -> String {
    error.to_string()
}
