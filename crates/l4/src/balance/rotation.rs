//! Weighted round-robin among the endpoints of one priority.

use std::num::NonZeroU32;

/// Weighted round-robin as arithmetic: turn number in, endpoint out.
///
/// In every run of as many turns as the sum of weights (after division by their common divisor) each endpoint comes
/// exactly as often as its weight says, spread over the run; equal weights alternate strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// End of each endpoint's interval: the running sum of weights.
    ends: Vec<u64>,
    /// Step between turns: prime to the sum and near its golden section, so that consecutive turns are far apart.
    stride: u64,
}

impl Rotation {
    /// Prepares the weights, in the order of the endpoints.
    pub fn new(weights: impl IntoIterator<Item = NonZeroU32>) -> Self {
        let weights: Vec<u64> = weights.into_iter().map(|weight| u64::from(weight.get())).collect();
        let common = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
        let running_sum = |sum: &mut u64, weight: u64| {
            *sum = sum.saturating_add(weight / common);
            Some(*sum)
        };
        let ends: Vec<u64> = weights.into_iter().scan(0, running_sum).collect();
        let total = ends.last().copied().unwrap_or(0);
        let section = (u128::from(total) * 618 / 1000) as u64;
        let stride = (section.max(1)..).find(|step| greatest_common_divisor(*step, total) == 1).unwrap_or(1);
        Self { ends, stride }
    }

    /// Number of endpoints.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns `true` if there are no endpoints.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// End of each endpoint's interval, in the order of the endpoints: the running sum of weights.
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// Distance between consecutive turns, modulo the sum of weights.
    pub fn stride(&self) -> u64 {
        self.stride
    }

    /// Index of the endpoint whose turn it is, below [`Rotation::len`]; 0 if empty.
    pub fn at(&self, turn: u64) -> usize {
        let total = self.ends.last().copied().unwrap_or(1);
        let position = u128::from(turn % total) * u128::from(self.stride) % u128::from(total);
        self.ends.partition_point(|end| u128::from(*end) <= position)
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rotation(weights: &[u32]) -> Rotation {
        Rotation::new(weights.iter().filter_map(|weight| NonZeroU32::new(*weight)))
    }

    proptest! {
        #[test]
        fn every_full_round_is_exact(weights in prop::collection::vec(1..20u32, 1..8), start in 0..u64::MAX / 2) {
            let rotation = rotation(&weights);
            let common = weights.iter().fold(0, |a, b| greatest_common_divisor(a, u64::from(*b)));
            let total = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>() / common;
            let mut seen = vec![0u64; weights.len()];
            // a round must not span the wrap of turn numbers, which happens once in 2^64 turns
            for turn in start..start + total {
                seen[rotation.at(turn)] += 1;
            }
            for (weight, seen) in weights.iter().zip(seen) {
                prop_assert_eq!(seen, u64::from(*weight) / common);
            }
        }

        #[test]
        fn a_turn_always_has_somebody(weights in prop::collection::vec(1..=u32::MAX, 1..8), turn in any::<u64>()) {
            prop_assert!(rotation(&weights).at(turn) < weights.len());
        }
    }

    #[test]
    fn equal_weights_take_strict_turns() {
        let rotation = rotation(&[100, 100]);
        let turns: Vec<usize> = (0..6).map(|turn| rotation.at(turn)).collect();
        assert_eq!(turns, [0, 1, 0, 1, 0, 1]);
    }
}
