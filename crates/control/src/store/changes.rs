//! Ordered changes of a store, and watches on them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::ResourceKey;

use super::{Revision, StoreError, Stored};

/// Accepted change.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreChange {
    /// Revision of the change.
    pub revision: Revision,
    /// Key of the changed resource.
    pub key: ResourceKey,
    /// Effect of the change.
    pub what: StoreChangeKind,
}

/// Effect of a change on its resource.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreChangeKind {
    /// It was stored with this content.
    Put(Stored),
    /// It was deleted.
    Deleted,
}

/// Stream of the changes after a revision.
#[derive(Debug)]
pub struct Watch {
    feed: Arc<dyn Feed>,
    after: Revision,
    epoch: Option<Arc<str>>,
}

/// Source of the changes of a watch.
#[async_trait]
pub(super) trait Feed: fmt::Debug + Send + Sync {
    /// Returns the changes after a revision, in order and without a gap, as soon as there is one. Never empty.
    async fn after(&self, revision: Revision) -> Result<Vec<StoreChange>, StoreError>;
}

impl Watch {
    pub(super) fn new(feed: Arc<dyn Feed>, after: Revision) -> Self {
        Self { feed, after, epoch: None }
    }

    pub(super) fn of_epoch(self, epoch: Option<Arc<str>>) -> Self {
        Self { epoch, ..self }
    }

    /// Epoch of the store that the changes are from; `None`: the store has only one, or reports none.
    pub fn epoch(&self) -> Option<&Arc<str>> {
        self.epoch.as_ref()
    }

    /// Returns the next changes in order, as soon as there is one: never empty. Cancel safe: nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    /// [`StoreError::TooOld`]: too much has changed since the last call; list again. [`StoreError::Lost`]: the changes
    /// cannot be read now; call again after a while, and it resumes.
    pub async fn next(&mut self) -> Result<Vec<StoreChange>, StoreError> {
        let changes = self.feed.after(self.after).await?;
        if let Some(last) = changes.last() {
            self.after = last.revision;
        }
        Ok(changes)
    }

    /// Revision of the last returned change.
    pub fn revision(&self) -> Revision {
        self.after
    }
}
