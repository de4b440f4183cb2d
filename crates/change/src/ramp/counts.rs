//! What connections to one side of a ramp did.

use std::time::Duration;

use model::policy::Share;
use serde::{Deserialize, Serialize};

/// What connections to one backend did in some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counted {
    /// How many were established.
    pub opened: u64,
    /// How many attempts established none.
    pub connect_failures: u64,
    /// How many were refused without an attempt.
    pub refused: u64,
    /// How many of the established were reset early.
    pub early_resets: u64,
    /// How long it took to establish them: how many took longer than the bound before, and not longer than this one; the last
    /// is of those above all bounds. Empty: nobody counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_times: Vec<u64>,
}

/// What connections to both sides did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sides {
    /// The backend that connections go to before.
    pub from: Counted,
    /// The one that they shall go to.
    pub to: Counted,
}

/// What one control plane sees of a rollout at its proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// What was counted since it began to count.
    pub sides: Sides,
    /// How many of its proxies have the rollout and say nothing of what they count.
    pub unseen: usize,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// How many ended badly.
    pub bad: u64,
    /// Of how many.
    pub all: u64,
}

impl Part {
    /// As a fraction; 0 of nothing.
    pub fn fraction(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.bad as f64 / self.all as f64 }
    }
}

impl Counted {
    /// How many connections were decided for the backend: what the least number of samples counts.
    pub fn decided(&self) -> u64 {
        self.opened + self.connect_failures + self.refused
    }

    /// How many ended badly in a way, of those that could.
    pub fn part(&self, share: Share) -> Part {
        match share {
            Share::ConnectFailures => {
                Part { bad: self.connect_failures, all: self.opened + self.connect_failures }
            }
            // one may have been opened before the look at it, and reset after
            Share::EarlyResets => Part { bad: self.early_resets.min(self.opened), all: self.opened },
            Share::Refused => Part { bad: self.refused, all: self.decided() },
        }
    }

    /// How many took longer to be established than the bound with this index.
    pub fn slower(&self, bound: usize) -> Part {
        let bad = self.connect_times.iter().skip(bound + 1).sum();
        Part { bad, all: self.connect_times.iter().sum() }
    }

    /// The index of the least bound that 99 of 100 keep; `None`: of fewer than 100, or where none of the bounds is kept.
    pub fn p99(&self, bounds: &[Duration]) -> Option<usize> {
        let all: u64 = self.connect_times.iter().sum();
        let kept = |bound: &usize| self.slower(*bound).bad * 100 <= all;
        (all >= 100).then(|| (0..bounds.len()).find(kept)).flatten()
    }

    /// Adds what was counted at another place or later.
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
    /// What was counted since an earlier time. What counts less than before began anew.
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
    /// What was counted since an earlier time.
    #[must_use]
    pub fn since(&self, before: &Sides) -> Sides {
        Sides { from: self.from.since(&before.from), to: self.to.since(&before.to) }
    }

    /// Adds what was counted at another place or later.
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
