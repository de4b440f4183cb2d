//! Histograms of connect times.

use std::time::Duration;

use l4::counts::CONNECT_TIME_BOUNDS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Histogram of connect times: those of several proxies can be added, and those of an earlier time subtracted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectTimes {
    /// Number of times up to each of [`ConnectTimes::BOUNDS`], and above the one before it; the last is above all
    /// bounds.
    pub counts: [u64; ConnectTimes::BOUNDS.len() + 1],
    /// Sum of all times, in microseconds.
    pub sum_us: u64,
}

impl ConnectTimes {
    /// Upper bounds, in microseconds.
    pub const BOUNDS: [u64; 11] = CONNECT_TIME_BOUNDS;

    /// Number of times.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Quantile of the connect times for a part from 0 to 1, with the times of each bucket spread evenly over it; above
    /// all bounds: the last bound. `None`: there are no times.
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
