//! Counters of connections to the two sides of a ramp.

use std::time::Duration;

use model::policy::Share;
use serde::{Deserialize, Serialize};

/// Counters of connections to one backend in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counted {
    /// Number of established connections.
    pub opened: u64,
    /// Number of connections whose attempts all failed.
    pub connect_failures: u64,
    /// Number of connections that were refused without an attempt.
    pub refused: u64,
    /// Number of established connections that were reset early.
    pub early_resets: u64,
    /// Histogram of connect times: the number above the bound before, up to this one; the last bucket is above all
    /// bounds. Empty: not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_times: Vec<u64>,
}

/// Counters of connections to both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sides {
    /// Present backend.
    pub from: Counted,
    /// New backend.
    pub to: Counted,
}

/// Counters of a rollout at the proxies of one control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Counters since the control plane began to count.
    pub sides: Sides,
    /// Number of its proxies that have the rollout and report no counters.
    pub unseen: usize,
}

/// Fraction of connections with a bad result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Number of bad results.
    pub bad: u64,
    /// Number of all connections.
    pub all: u64,
}

impl Part {
    /// Returns the fraction; 0 if there are no connections.
    pub fn fraction(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.bad as f64 / self.all as f64 }
    }
}

impl Counted {
    /// Number of connections that were decided for the backend: the basis of the minimum sample count.
    pub fn decided(&self) -> u64 {
        self.opened + self.connect_failures + self.refused
    }

    /// Fraction of bad results of one kind, of the connections that could have them.
    pub fn part(&self, share: Share) -> Part {
        match share {
            Share::ConnectFailures => {
                Part { bad: self.connect_failures, all: self.opened + self.connect_failures }
            }
            // a connection may be opened before the observation, and reset after it
            Share::EarlyResets => Part { bad: self.early_resets.min(self.opened), all: self.opened },
            Share::Refused => Part { bad: self.refused, all: self.decided() },
        }
    }

    /// Fraction of connect times above the bound with this index.
    pub fn slower(&self, bound: usize) -> Part {
        let bad = self.connect_times.iter().skip(bound + 1).sum();
        Part { bad, all: self.connect_times.iter().sum() }
    }

    /// Index of the least bound that 99 of 100 connect times keep; `None`: fewer than 100 times, or no bound is kept.
    pub fn p99(&self, bounds: &[Duration]) -> Option<usize> {
        let all: u64 = self.connect_times.iter().sum();
        let kept = |bound: &usize| self.slower(*bound).bad * 100 <= all;
        (all >= 100).then(|| (0..bounds.len()).find(kept)).flatten()
    }

    /// Adds the counters of another place or a later time.
    pub fn add(&mut self, other: &Counted) {
        let Counted { opened, connect_failures, refused, early_resets, connect_times } = other;
        self.opened += opened;
        self.connect_failures += connect_failures;
        self.refused += refused;
        self.early_resets += early_resets;
        if self.connect_times.len() < connect_times.len() {
            self.connect_times.resize(connect_times.len(), 0);
        }
        for (sum, count) in self.connect_times.iter_mut().zip(connect_times) {
            *sum += count;
        }
    }
}

impl Counted {
    /// Returns the counters since an earlier time. A counter below its earlier value was restarted.
    #[must_use]
    pub fn since(&self, before: &Counted) -> Counted {
        if self.decided() < before.decided() {
            return self.clone();
        }
        let earlier = |at: usize| before.connect_times.get(at).copied().unwrap_or(0);
        let times = self.connect_times.iter().enumerate();
        Counted {
            opened: self.opened.saturating_sub(before.opened),
            connect_failures: self.connect_failures.saturating_sub(before.connect_failures),
            refused: self.refused.saturating_sub(before.refused),
            early_resets: self.early_resets.saturating_sub(before.early_resets),
            connect_times: times.map(|(at, count)| count.saturating_sub(earlier(at))).collect(),
        }
    }
}

impl Sides {
    /// Returns the counters since an earlier time.
    #[must_use]
    pub fn since(&self, before: &Sides) -> Sides {
        Sides { from: self.from.since(&before.from), to: self.to.since(&before.to) }
    }

    /// Adds the counters of another place or a later time.
    pub fn add(&mut self, other: &Sides) {
        self.from.add(&other.from);
        self.to.add(&other.to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_is_a_bound_that_99_of_100_keep() {
        let bounds = [1, 2, 5].map(Duration::from_millis);
        let counted = |times: [u64; 4]| Counted { connect_times: times.into(), ..Counted::default() };
        assert_eq!(counted([99, 0, 1, 0]).p99(&bounds), Some(0));
        assert_eq!(counted([98, 1, 1, 0]).p99(&bounds), Some(1));
        assert_eq!(counted([98, 0, 0, 2]).p99(&bounds), None, "it is above all bounds");
        assert_eq!(counted([99, 0, 0, 0]).p99(&bounds), None, "too few");
        assert_eq!(counted([98, 1, 1, 0]).slower(0), Part { bad: 2, all: 100 });
    }
}
