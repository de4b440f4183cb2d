//! Changes in their order, and following them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::ResourceKey;

use super::{Revision, StoreError, Stored};

/// One accepted change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number.
    pub revision: Revision,
    /// Of what.
    pub key: ResourceKey,
    /// What it did.
    pub what: What,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// This is there since.
    Put(Stored),
    /// Nothing is there since.
    Deleted,
}

/// The changes after a revision, as they come.
#[derive(Debug)]
pub struct Watch {
    feed: Arc<dyn Feed>,
    after: Revision,
    epoch: Option<Arc<str>>,
}

/// Where a watch gets its changes.
#[async_trait]
pub(super) trait Feed: fmt::Debug + Send + Sync {
    /// Changes after a revision, in order and without a gap, as soon as there is one. Never empty.
    async fn after(&self, revision: Revision) -> Result<Vec<Change>, StoreError>;
}

impl Watch {
    pub(super) fn new(feed: Arc<dyn Feed>, after: Revision) -> Self {
        Self { feed, after, epoch: None }
    }

    pub(super) fn of_epoch(self, epoch: Option<Arc<str>>) -> Self {
        Self { epoch, ..self }
    }

    /// Which life of the store the changes are of; `None`: it has one only, or does not tell.
    pub fn epoch(&self) -> Option<&Arc<str>> {
        self.epoch.as_ref()
    }

    /// The next changes in order, as soon as there is one: never empty. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`StoreError::TooOld`]: too much has changed since the last call; list again. [`StoreError::Lost`]: the changes
    /// cannot be read now; call again after a while, and it goes on where it was.
    pub async fn next(&mut self) -> Result<Vec<Change>, StoreError> {
        let changes = self.feed.after(self.after).await?;
        if let Some(last) = changes.last() {
            self.after = last.revision;
        }
        Ok(changes)
    }

    /// Up to where changes were given.
    pub fn revision(&self) -> Revision {
        self.after
    }
}
