//! Renewal time of a certificate, by its age.

use std::time::Duration;

use jiff::Timestamp;

use super::after;

/// Latest renewal, as a part of the lifetime.
const LATEST: f64 = 0.8;
/// Spread of renewals, as a part of the lifetime: proxies that came together do not all come back together.
const SPREAD: f64 = 0.1;

/// Returns the renewal time of a certificate that was made at a time. `draw`: from 0 to 1.
pub(super) fn due(made: Timestamp, lifetime: Duration, draw: f64) -> Timestamp {
    after(made, lifetime.mul_f64(LATEST - SPREAD * draw.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ten_thousand_proxies_that_came_at_once_are_renewed_a_few_a_second() {
        let made = Timestamp::from_second(1_700_000_000).unwrap();
        let day = Duration::from_secs(86_400);
        let mut random = fastrand::Rng::with_seed(1);
        let mut seconds: BTreeMap<i64, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            *seconds.entry(due(made, day, random.f64()).as_second()).or_default() += 1;
        }
        let (first, last) = (seconds.keys().next().unwrap(), seconds.keys().last().unwrap());
        assert!(*first >= made.as_second() + 60_480 && *last <= made.as_second() + 69_120);
        assert!(seconds.values().all(|count| *count < 12), "{:?}", seconds.values().max());
    }
}
