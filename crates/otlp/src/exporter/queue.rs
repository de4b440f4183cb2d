//! What waits to be told together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::settings::Batches;

/// What waits to be told together: so many at most.
pub(super) struct Queue<T> {
    waiting: Mutex<VecDeque<T>>,
    batches: Batches,
    /// A batch is together.
    full: Notify,
}

impl<T> Queue<T> {
    pub(super) fn new(batches: Batches) -> Self {
        Self { waiting: Mutex::default(), batches, full: Notify::new() }
    }

    /// Whether there was room.
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

    /// The first of those that wait, a batch at most.
    pub(super) fn take(&self) -> Vec<T> {
        let mut waiting = self.lock();
        let size = self.batches.size.min(waiting.len());
        waiting.drain(..size).collect()
    }

    /// Waits until a batch is together.
    pub(super) async fn is_full(&self) {
        self.full.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
