//! What runs beside the workers: a panic there costs the turn that it happened in, and connections go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The pause before the first new beginning; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A part of the proxy that is no worker.
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

/// Takes one turn. `None`: it panicked, which is told; whatever it shares with others is whole after any of its steps.
pub(crate) fn caught<T>(part: Part, turn: impl FnOnce() -> T) -> Option<T> {
    let turned = catch_unwind(AssertUnwindSafe(|| {
        trip::step(part.name());
        turn()
    }));
    turned.map_err(|_| tracing::error!(part = part.name(), "a panic was caught; connections go on")).ok()
}

/// Works until it is done, and begins anew after each panic.
pub(crate) fn again(part: Part, mut work: impl FnMut()) {
    let mut pause = FIRST_PAUSE;
    while caught(part, &mut work).is_none() {
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Marks a turn of work that goes on for long.
pub(crate) fn step(part: Part) {
    trip::step(part.name());
}

/// Panics on demand, so that tests see what becomes of them. In a release there are none.
pub mod trip {
    /// Lets a part panic at its next turn.
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
