//! Counters of connections to the two sides of a ramp.

use std::time::Duration;

use model::policy::Share;
use serde::{Deserialize, Serialize};

/// Counters of connections to one backend in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionCounts {
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
pub struct SideCounts {
    /// Present backend.
    pub from: ConnectionCounts,
    /// New backend.
    pub to: ConnectionCounts,
}

/// Counters of a rollout at the proxies of one control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObservedCounts {
    /// Counters since the control plane began to count.
    pub sides: SideCounts,
    /// Number of its proxies that have the rollout and report no counters.
    pub unseen: usize,
}

/// Fraction of connections with a bad result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureShare {
    /// Number of bad results.
    pub bad: u64,
    /// Number of all connections.
    pub all: u64,
}

impl FailureShare {
    /// Returns the fraction; 0 if there are no connections.
    pub fn fraction(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.bad as f64 / self.all as f64 }
    }
}

impl ConnectionCounts {
    /// Number of connections that were decided for the backend: the basis of the minimum sample count.
    pub fn decided(&self) -> u64 {
        self.opened + self.connect_failures + self.refused
    }

    /// Fraction of bad results of one kind, of the connections that could have them.
    pub fn part(&self, share: Share) -> FailureShare {
        match share {
            Share::ConnectFailures => {
                FailureShare { bad: self.connect_failures, all: self.opened + self.connect_failures }
            }
            // a connection may be opened before the observation, and reset after it
            Share::EarlyResets => FailureShare { bad: self.early_resets.min(self.opened), all: self.opened },
            Share::Refused => FailureShare { bad: self.refused, all: self.decided() },
        }
    }

    /// Fraction of connect times above the bound with this index.
    pub fn slower(&self, bound: usize) -> FailureShare {
        let bad = self.connect_times.iter().skip(bound + 1).sum();
        FailureShare { bad, all: self.connect_times.iter().sum() }
    }

    /// Index of the least bound that 99 of 100 connect times keep; `None`: fewer than 100 times, or no bound is kept.
    pub fn p99(&self, bounds: &[Duration]) -> Option<usize> {
        let all: u64 = self.connect_times.iter().sum();
        let kept = |bound: &usize| self.slower(*bound).bad * 100 <= all;
        (all >= 100).then(|| (0..bounds.len()).find(kept)).flatten()
    }

    /// Adds the counters of another place or a later time.
    pub fn add(&mut self, other: &ConnectionCounts) {
        let ConnectionCounts { opened, connect_failures, refused, early_resets, connect_times } = other;
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

impl ConnectionCounts {
    /// Returns the counters since an earlier time. A counter below its earlier value was restarted.
    #[must_use]
    pub fn since(&self, before: &ConnectionCounts) -> ConnectionCounts {
        if self.decided() < before.decided() {
            return self.clone();
        }
        let earlier = |at: usize| before.connect_times.get(at).copied().unwrap_or(0);
        let times = self.connect_times.iter().enumerate();
        ConnectionCounts {
            opened: self.opened.saturating_sub(before.opened),
            connect_failures: self.connect_failures.saturating_sub(before.connect_failures),
            refused: self.refused.saturating_sub(before.refused),
            early_resets: self.early_resets.saturating_sub(before.early_resets),
            connect_times: times.map(|(at, count)| count.saturating_sub(earlier(at))).collect(),
        }
    }
}

impl SideCounts {
    /// Returns the counters since an earlier time.
    #[must_use]
    pub fn since(&self, before: &SideCounts) -> SideCounts {
        SideCounts { from: self.from.since(&before.from), to: self.to.since(&before.to) }
    }

    /// Adds the counters of another place or a later time.
    pub fn add(&mut self, other: &SideCounts) {
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
        let counted =
            |times: [u64; 4]| ConnectionCounts { connect_times: times.into(), ..ConnectionCounts::default() };
        assert_eq!(counted([99, 0, 1, 0]).p99(&bounds), Some(0));
        assert_eq!(counted([98, 1, 1, 0]).p99(&bounds), Some(1));
        assert_eq!(counted([98, 0, 0, 2]).p99(&bounds), None, "it is above all bounds");
        assert_eq!(counted([99, 0, 0, 0]).p99(&bounds), None, "too few");
        assert_eq!(counted([98, 1, 1, 0]).slower(0), FailureShare { bad: 2, all: 100 });
    }
}
