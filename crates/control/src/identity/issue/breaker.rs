//! Retry delays after failures: per proxy, and, if many fail, for all proxies of an authority (spec 07 §5).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;

use super::{after, before};

/// First delay.
const BASE: Duration = Duration::from_secs(5);
/// Limit on the delay.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Number of failing proxies from which all of them wait.
const MANY: usize = 10;
/// Time that all of them wait before one tries.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// Consecutive failures of one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
    pub(super) until: Timestamp,
}

impl Backoff {
    /// Adds a failure. `draw`: from 0 to 1.
    pub(super) fn after(before: Option<Self>, now: Timestamp, draw: f64) -> Self {
        let failures = before.map_or(0, |before| before.failures);
        let pause = BASE.saturating_mul(1 << failures.min(10)).min(LONGEST);
        let until = after(now, pause.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0));
        Self { failures: failures + 1, until }
    }
}

/// Circuit breaker of an authority, which holds all its proxies back while too many of them fail.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Time of each proxy's last failure.
    failed: BTreeMap<ProxyKey, Timestamp>,
    /// Time until which all wait; `None`: it is closed.
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// Returns the time until which nobody may try; `None`: one may now.
    pub(super) fn holds_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.open_until.filter(|until| *until > now)
    }

    /// Returns `true` while all but one proxy have to wait.
    pub(super) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Records a failure. If it comes from the one that tried after the wait, the wait starts again.
    pub(super) fn failed(&mut self, proxy: &ProxyKey, now: Timestamp) {
        let recent = before(now, LONGEST);
        self.failed.retain(|_, at| *at > recent);
        self.failed.insert(proxy.clone(), now);
        if self.open_until.is_some() || self.failed.len() >= MANY {
            self.open_until = Some(after(now, COOL_DOWN));
        }
    }

    /// Records a success: all may try.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let mut backoff = None;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let next = Backoff::after(backoff, at(0), 1.0);
            pauses.push(next.until.as_second());
            backoff = Some(next);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(Backoff::after(None, at(0), 0.0).until.as_second(), 2, "half of it, in whole seconds");
    }

    #[test]
    fn where_many_fail_all_wait_and_then_one_tries() {
        let mut breaker = Breaker::default();
        let proxy = |number: usize| ProxyKey::new("shop", format!("web-{number}").as_str());
        for number in 0..9 {
            breaker.failed(&proxy(number), at(0));
            breaker.failed(&proxy(number), at(1));
        }
        assert_eq!(breaker.holds_until(at(1)), None, "nine proxies are few");
        breaker.failed(&proxy(9), at(1));
        assert_eq!(breaker.holds_until(at(2)), Some(at(31)));
        assert_eq!((breaker.holds_until(at(31)), breaker.is_open()), (None, true));
        breaker.failed(&proxy(3), at(31));
        assert_eq!(breaker.holds_until(at(32)), Some(at(61)), "the one that tried failed too");
        breaker.succeeded();
        assert!(!breaker.is_open());
        // old failures do not count
        (0..9).for_each(|number| breaker.failed(&proxy(number), at(100)));
        breaker.failed(&proxy(9), at(500));
        assert!(!breaker.is_open());
    }
}
