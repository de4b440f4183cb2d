//! Work on a local disk: one piece at a time, and nobody waits for ever for a disk that does not answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::StoreError;

/// Limit on the time that a caller waits, for its turn and for the disk together.
const PATIENCE: Duration = Duration::from_secs(5);

/// State of a disk, used by one blocking thread at a time. Cloning shares it.
///
/// Whoever waits for a turn waits without a thread, so that a disk that hangs takes one of them and not all.
#[derive(Debug)]
pub(super) struct Turns<D> {
    disk: Arc<Mutex<D>>,
    patience: Duration,
    /// Description of the store, for messages.
    words: Arc<str>,
}

impl<D> Clone for Turns<D> {
    fn clone(&self) -> Self {
        let Self { disk, patience, words } = self;
        Self { disk: Arc::clone(disk), patience: *patience, words: Arc::clone(words) }
    }
}

impl<D: Send + 'static> Turns<D> {
    pub(super) fn new(words: impl Into<Arc<str>>, disk: D) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)), patience: PATIENCE, words: words.into() }
    }

    /// Does a piece of work. Once begun it is completed, even if the caller does not wait for it.
    ///
    /// # Errors
    /// Those of the work. [`StoreError::Silent`]: it was not begun, or has not ended, within [`PATIENCE`].
    /// [`StoreError::Lost`]: it panicked.
    pub(super) async fn take<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut D) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let until = Instant::now() + self.patience;
        let silent =
            |begun| StoreError::Silent { store: self.words.to_string(), waited: self.patience, begun };
        let turn = timeout_at(until, Arc::clone(&self.disk).lock_owned()).await;
        let mut working = begin(turn.map_err(|_| silent(false))?, work);
        match timeout_at(until, &mut working).await {
            Ok(done) => done.unwrap_or_else(|_| {
                let why = "writing it ended in a panic".into();
                Err(StoreError::Lost { store: self.words.to_string(), why })
            }),
            Err(_) => {
                tokio::spawn(tell_end(Arc::clone(&self.words), working));
                Err(silent(true))
            }
        }
    }

    /// Does a piece of work that nobody waits for, however long it takes. One that panics is followed by the next.
    pub(super) async fn take_patiently(&self, work: impl FnOnce(&mut D) + Send + 'static) {
        let turn = Arc::clone(&self.disk).lock_owned().await;
        let _ = begin(turn, work).await;
    }
}

/// Begins a piece of work on a thread for it. The turn ends with the work.
fn begin<D: Send + 'static, R: Send + 'static>(
    mut turn: OwnedMutexGuard<D>,
    work: impl FnOnce(&mut D) -> R + Send + 'static,
) -> JoinHandle<R> {
    spawn_blocking(move || work(&mut turn))
}

/// Logs what has become of work that its caller no longer waits for.
async fn tell_end<R>(store: Arc<str>, working: JoinHandle<Result<R, StoreError>>) {
    match working.await {
        Ok(Ok(_)) => {
            tracing::warn!(%store, "the disk answers again: what a caller no longer waited for has been done");
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the disk answers again: what a caller no longer waited for has failed");
        }
        // the process is ending, or it panicked, which is logged where it happened
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_is_told_to_those_who_wait_and_ends_what_was_begun() {
        let turns = Turns { patience: Duration::from_millis(50), ..Turns::new("folder x", Vec::new()) };
        let (answer, answers) = channel::<()>();
        let hangs = turns.take(move |disk: &mut Vec<u8>| {
            answers.recv().unwrap();
            disk.push(1);
            Ok(())
        });
        let waits = turns.take(|disk| {
            disk.push(2);
            Ok(())
        });
        let (hung, waited) = tokio::join!(hangs, waits);
        let begun = |answer: Result<(), StoreError>| match answer {
            Err(StoreError::Silent { begun, .. }) => begun,
            other => panic!("{other:?}"),
        };
        assert!(begun(hung), "it may still be done");
        assert!(!begun(waited), "it will never be done");
        answer.send(()).unwrap();
        let patient = Turns { patience: PATIENCE, ..turns };
        assert_eq!(patient.take(|disk| Ok(disk.clone())).await.unwrap(), [1]);
    }

    #[tokio::test]
    async fn work_that_panics_costs_itself() {
        let turns = Turns::new("folder x", 0);
        let failed = turns.take(|_| -> Result<(), _> { panic!("a fault of the program") }).await;
        assert!(matches!(failed, Err(StoreError::Lost { .. })), "{failed:?}");
        turns.take_patiently(|_| panic!("another one")).await;
        turns.take_patiently(|disk| *disk += 1).await;
        assert_eq!(turns.take(|disk| Ok(*disk)).await.unwrap(), 1);
    }
}
