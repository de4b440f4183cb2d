//! Panic guards for serving and following tasks: a panic costs only the turn in which it happens, and proxies go on.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Pause before the first restart; each further pause is twice the previous one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Limit on the pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs one turn of a part of the program. `None`: it panicked, which is logged; state that it shares must be
/// consistent after each of its steps.
pub fn caught<T>(part: &'static str, turn: impl FnOnce() -> T) -> Option<T> {
    let turned = catch_unwind(AssertUnwindSafe(|| {
        trip::step(part);
        turn()
    }));
    turned.map_err(|_| tell(part)).ok()
}

/// Runs a task as [`caught`] does.
pub async fn caught_task<T>(part: &'static str, task: impl Future<Output = T>) -> Option<T> {
    let mut task = pin!(task);
    let polled = poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| {
            trip::step(part);
            task.as_mut().poll(context)
        }));
        match poll {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Err(_) => Poll::Ready(None),
        }
    });
    let done = polled.await;
    if done.is_none() {
        tell(part);
    }
    done
}

/// Runs work on this thread until it is done, and restarts it after each panic.
pub fn again(part: &'static str, mut work: impl FnMut()) {
    let mut pause = FIRST_PAUSE;
    while caught(part, &mut work).is_none() {
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Runs a task until it is done, and makes another after each panic.
pub async fn task_again<T, F: Future<Output = T>>(part: &'static str, mut task: impl FnMut() -> F) -> T {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(done) = caught_task(part, task()).await {
            return done;
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Marks one turn of a long-running part; tests make it panic.
pub fn step(part: &'static str) {
    trip::step(part);
}

fn tell(part: &'static str) {
    tracing::error!(part, "a panic was caught; what runs goes on");
}

#[doc(hidden)]
/// Panics on demand, for tests. There are none in a release.
pub mod trip {
    /// Makes a part panic at its next turn.
    #[cfg(debug_assertions)]
    pub fn wire(part: &str) {
        wired().insert(part.to_owned());
    }

    #[cfg(debug_assertions)]
    pub(super) fn step(part: &str) {
        let wired = wired().remove(part);
        assert!(!wired, "{part} was tripped");
    }

    #[cfg(not(debug_assertions))]
    pub(super) fn step(_: &str) {}

    #[cfg(debug_assertions)]
    fn wired() -> std::sync::MutexGuard<'static, std::collections::BTreeSet<String>> {
        static WIRED: std::sync::Mutex<std::collections::BTreeSet<String>> =
            std::sync::Mutex::new(std::collections::BTreeSet::new());
        WIRED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_is_made_anew_until_it_is_done() {
        let mut turns = 0;
        let done = task_again("test", || {
            turns += 1;
            let turn = turns;
            async move {
                tokio::task::yield_now().await;
                assert!(turn == 3, "not yet");
                turn
            }
        });
        assert_eq!(done.await, 3);
        assert_eq!(caught("test", || panic!("no") as u8), None);
    }
}
