//! Pause after a panic, during which the same is not tried again: it would most likely panic again.

use std::time::{Duration, Instant};

/// First pause; each further pause is twice the previous one.
const FIRST: Duration = Duration::from_secs(1);
/// Limit on the pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Pause with exponential growth.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    failures: u32,
}

impl Pause {
    /// Begins another pause.
    pub(super) fn begin(&mut self, now: Instant) {
        let length = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(6))).min(LONGEST);
        self.failures += 1;
        self.until = Some(now + length);
    }

    /// Returns `true` while the pause lasts.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    /// Returns the end of the pause; `None`: there is none.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns `true` if the work that panicked has to be repeated, and resets that.
    pub(super) fn take(&mut self) -> bool {
        self.until.take().is_some()
    }

    /// Resets the pause after a success.
    pub(super) fn is_over(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_went_well() {
        let start = Instant::now();
        let mut pause = Pause::default();
        assert!(!pause.goes_on(start) && !pause.take());
        let mut length = || {
            pause.begin(start);
            pause.until().unwrap() - start
        };
        let lengths: Vec<u64> = (0..8).map(|_| length().as_secs()).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(pause.goes_on(start) && pause.take() && !pause.take());
        pause.is_over();
        pause.begin(start);
        assert_eq!(pause.until(), Some(start + FIRST));
    }
}
