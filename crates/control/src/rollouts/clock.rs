//! Time of day, with detection of clock changes.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// Smallest difference that counts as a jump: clocks are also adjusted by running slightly faster or slower.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// Time of day as of the last look.
pub(super) struct Clock {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { time: Timestamp::now(), at: Instant::now() }
    }

    /// Returns the time, and the jump of the clock since the last look; zero: there was none.
    pub(super) fn look(&mut self) -> (Timestamp, SignedDuration) {
        let (time, at) = (Timestamp::now(), Instant::now());
        let jump = jump(time.duration_since(self.time), at.duration_since(self.at));
        (self.time, self.at) = (time, at);
        (time, jump)
    }
}

fn jump(by_clock: SignedDuration, passed: Duration) -> SignedDuration {
    let apart = by_clock.saturating_sub(SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX));
    if apart.abs() < JUMP { SignedDuration::ZERO } else { apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_goes() {
        let second = Duration::from_secs(1);
        for (by_clock, jumped) in [(1, 0), (4, 0), (-3, 0), (3601, 3600), (-86_399, -86_400)] {
            let found = jump(SignedDuration::from_secs(by_clock), second);
            assert_eq!(found, SignedDuration::from_secs(jumped), "{by_clock}");
        }
    }
}
