//! How long connects took.

use std::time::Duration;

use l4::counts::CONNECT_TIME_BOUNDS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many connects took how long: those of several proxies can be added up, and those of an earlier time taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectTimes {
    /// How many took at most as long as each of [`ConnectTimes::BOUNDS`], and longer than the one before it; the last ones took
    /// longer than all.
    pub counts: [u64; ConnectTimes::BOUNDS.len() + 1],
    /// The sum of all of them, in microseconds.
    pub sum_us: u64,
}

impl ConnectTimes {
    /// The upper bounds, in microseconds.
    pub const BOUNDS: [u64; 11] = CONNECT_TIME_BOUNDS;

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time that this part of them (0 to 1) did not exceed, as if those of each bucket were spread evenly over it; of those
    /// above all bounds the last bound. `None`: there are none.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = part.clamp(0.0, 1.0) * total as f64;
        let (mut below, mut low) = (0.0, 0);
        for (count, high) in self.counts.iter().zip(Self::BOUNDS) {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                let within = (wanted - below) / count;
                return Some(Duration::from_micros(low + (within * (high - low) as f64) as u64));
            }
            (below, low) = (below + count, high);
        }
        Some(Duration::from_micros(low))
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        let mut counts = self.counts;
        counts.iter_mut().zip(before.counts).for_each(|(now, before)| *now = now.saturating_sub(before));
        Self { counts, sum_us: self.sum_us.saturating_sub(before.sum_us) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        assert_eq!(ConnectTimes::default().quantile(0.5), None);
        let mut times = ConnectTimes::default();
        // 90 between 100 and 250 µs, 10 above all bounds
        (times.counts[1], times.counts[11]) = (90, 10);
        let micros = |part| times.quantile(part).unwrap().as_micros();
        assert_eq!((micros(0.45), micros(0.9), micros(0.99)), (175, 250, 5_000_000));
    }
}
