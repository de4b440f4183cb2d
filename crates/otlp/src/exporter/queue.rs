//! Queue of items that are exported in batches.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::settings::Batches;

/// Bounded queue of items that are exported in batches.
pub(super) struct Queue<T> {
    waiting: Mutex<VecDeque<T>>,
    batches: Batches,
    /// Signal that a batch is complete.
    full: Notify,
}

impl<T> Queue<T> {
    pub(super) fn new(batches: Batches) -> Self {
        Self { waiting: Mutex::default(), batches, full: Notify::new() }
    }

    /// Adds an item. Returns `false` if there is no room.
    pub(super) fn push(&self, item: T) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= self.batches.waiting {
            return false;
        }
        waiting.push_back(item);
        if waiting.len() >= self.batches.size {
            self.full.notify_one();
        }
        true
    }

    /// Removes the first items, a batch at most.
    pub(super) fn take(&self) -> Vec<T> {
        let mut waiting = self.lock();
        let size = self.batches.size.min(waiting.len());
        waiting.drain(..size).collect()
    }

    /// Waits until a batch is complete.
    pub(super) async fn is_full(&self) {
        self.full.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
