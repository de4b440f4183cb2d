//! Outlier detection for one endpoint: failed connections of clients eject it for a while.

use std::time::Instant;

use crate::config::OutlierDetection;

/// Number of ejections in a row after which they grow no longer.
const LONGEST: u32 = 10;

/// Ejection state of one endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Ejection {
    /// End of the ejection; `None`: not ejected.
    until: Option<Instant>,
    /// Length of the last ejection, in units of `base`; it decays without ejections.
    times: u32,
    /// Time of the next decay of `times`.
    reward: Option<Instant>,
}

impl Ejection {
    /// Ejects the endpoint, longer each time.
    pub(super) fn eject(&mut self, config: &OutlierDetection, now: Instant) {
        self.times = (self.times + 1).min(LONGEST);
        self.until = Some(now + config.base * self.times);
        self.reward = None;
    }

    /// Advances the time. Returns `true` if the endpoint has just returned.
    pub(super) fn pass(&mut self, config: &OutlierDetection, now: Instant) -> bool {
        if let Some(until) = self.until {
            if now < until {
                return false;
            }
            self.until = None;
            self.reward = Some(until + config.interval);
            return true;
        }
        while let Some(reward) = self.reward
            && reward <= now
        {
            self.times = self.times.saturating_sub(1);
            self.reward = (self.times > 0).then(|| reward + config.interval);
        }
        false
    }

    /// Time of the next change.
    pub(super) fn next(&self) -> Option<Instant> {
        self.until.or(self.reward)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.until.is_some()
    }

    /// End of the ejection; `None`: not ejected.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// Returns `true` if one more of `all` endpoints may be ejected, when `ejected` of them are and `usable` take
/// connections.
pub(super) fn may_eject(config: &OutlierDetection, all: usize, ejected: usize, usable: usize) -> bool {
    let most = (all * usize::from(config.max_percent) / 100).max(1);
    usable > 1 && ejected < most
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn config() -> OutlierDetection {
        OutlierDetection {
            interval: Duration::from_secs(10),
            base: Duration::from_secs(30),
            max_percent: 50,
            consecutive: None,
        }
    }

    #[test]
    fn each_time_is_longer_and_good_conduct_makes_it_shorter_again() {
        let (config, start) = (config(), Instant::now());
        let mut endpoint = Ejection::default();
        endpoint.eject(&config, start);
        assert!(!endpoint.pass(&config, start + Duration::from_secs(29)) && endpoint.is_ejected());
        assert!(endpoint.pass(&config, start + Duration::from_secs(30)) && !endpoint.is_ejected());
        endpoint.eject(&config, start + Duration::from_secs(31));
        assert_eq!(endpoint.until(), Some(start + Duration::from_secs(31 + 60)));
        assert!(endpoint.pass(&config, start + Duration::from_secs(91)));
        // two intervals without an ejection: as if there had never been one
        assert!(!endpoint.pass(&config, start + Duration::from_secs(111)));
        assert_eq!(endpoint.next(), None);
        endpoint.eject(&config, start + Duration::from_secs(200));
        assert_eq!(endpoint.until(), Some(start + Duration::from_secs(230)));
    }

    proptest! {
        #[test]
        fn the_last_one_stays_and_one_may_always_go(all in 1..100usize, ejected in 0..100usize, percent in 0..=100u8) {
            let config = OutlierDetection { max_percent: percent, ..config() };
            let ejected = ejected.min(all);
            let may = may_eject(&config, all, ejected, all - ejected);
            prop_assert!(!may || ejected + 1 < all);
            prop_assert!(!may || ejected == 0 || (ejected + 1) * 100 <= all * usize::from(percent));
            prop_assert!(may || all == 1 || ejected > 0);
        }

        #[test]
        fn an_ejection_ends(gaps in prop::collection::vec(0..100u64, 1..30)) {
            let (config, mut now) = (config(), Instant::now());
            let mut endpoint = Ejection::default();
            for gap in gaps {
                endpoint.eject(&config, now);
                prop_assert!(endpoint.until().unwrap() - now <= config.base * LONGEST);
                now = endpoint.until().unwrap();
                prop_assert!(endpoint.pass(&config, now));
                now += Duration::from_secs(gap);
                endpoint.pass(&config, now);
            }
        }
    }
}
