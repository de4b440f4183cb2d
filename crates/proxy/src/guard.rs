//! Panic guard for the threads beside the workers: a panic there costs the turn that it happened in, and
//! connections go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Pause before the first restart; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Part of the proxy that is not a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Discovery,
    Dns,
    Health,
    Log,
    Resolver,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery-client",
            Self::Dns => "dns",
            Self::Health => "health-checker",
            Self::Log => "log-writer",
            Self::Resolver => "resolver",
        }
    }
}

/// Runs one turn. `None`: it panicked, which is reported; state shared with other threads is consistent after any
/// of its steps.
pub(crate) fn caught<T>(part: Part, turn: impl FnOnce() -> T) -> Option<T> {
    let turned = catch_unwind(AssertUnwindSafe(|| {
        trip::step(part.name());
        turn()
    }));
    turned.map_err(|_| tracing::error!(part = part.name(), "a panic was caught; connections go on")).ok()
}

/// Runs work until it is done, restarting it after each panic.
pub(crate) fn again(part: Part, mut work: impl FnMut()) {
    let mut pause = FIRST_PAUSE;
    while caught(part, &mut work).is_none() {
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Marks a turn of long-running work.
pub(crate) fn step(part: Part) {
    trip::step(part.name());
}

/// Panics on demand, for tests of the recovery. Release builds have none.
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

    #[test]
    fn work_begins_anew_until_it_is_done() {
        let mut turns = 0;
        again(Part::Log, || {
            turns += 1;
            assert!(turns == 3, "not yet");
        });
        assert_eq!(turns, 3);
        assert_eq!(caught(Part::Log, || 7), Some(7));
    }
}
