//! How soon what failed is tried again: by each proxy, and, where many fail, by all of an authority (spec 07 §5).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;

use super::{after, before};

/// How long the first pause is.
const BASE: Duration = Duration::from_secs(5);
/// How long a pause is at most.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How many proxies fail before all of them wait.
const MANY: usize = 10;
/// How long all of them wait before one tries.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// The failures of one proxy in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
    pub(super) until: Timestamp,
}

impl Backoff {
    /// One more failure. `draw`: from 0 to 1.
    pub(super) fn after(before: Option<Self>, now: Timestamp, draw: f64) -> Self {
        let failures = before.map_or(0, |before| before.failures);
        let pause = BASE.saturating_mul(1 << failures.min(10)).min(LONGEST);
        let until = after(now, pause.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0));
        Self { failures: failures + 1, until }
    }
}

/// Holds all proxies of an authority back while too many of them fail.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// When each failed last.
    failed: BTreeMap<ProxyKey, Timestamp>,
    /// Until when all wait; `None`: nobody does.
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// Until when nobody may try; `None`: now somebody may.
    pub(super) fn holds_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.open_until.filter(|until| *until > now)
    }

    /// Whether all wait, but for one that tries.
    pub(super) fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Somebody failed. One that tried after the wait begins it anew.
    pub(super) fn failed(&mut self, proxy: &ProxyKey, now: Timestamp) {
        let recent = before(now, LONGEST);
        self.failed.retain(|_, at| *at > recent);
        self.failed.insert(proxy.clone(), now);
        if self.open_until.is_some() || self.failed.len() >= MANY {
            self.open_until = Some(after(now, COOL_DOWN));
        }
    }

    /// Somebody has a certificate: all may.
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
        // failures that are long past do not count
        (0..9).for_each(|number| breaker.failed(&proxy(number), at(100)));
        breaker.failed(&proxy(9), at(500));
        assert!(!breaker.is_open());
    }
}
