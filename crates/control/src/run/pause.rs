//! The time after a panic in which the same is not tried again: it would most likely panic again.

use std::time::{Duration, Instant};

/// The first pause; each is twice the one before.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether, and until when, something is left alone.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    failures: u32,
}

impl Pause {
    /// Begins another one.
    pub(super) fn begin(&mut self, now: Instant) {
        let length = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(6))).min(LONGEST);
        self.failures += 1;
        self.until = Some(now + length);
    }

    /// Whether it goes on.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    /// When it ends; `None`: there is none.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether something has to be taken up again that panicked; from then on it has not.
    pub(super) fn take(&mut self) -> bool {
        self.until.take().is_some()
    }

    /// What panicked went well.
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
