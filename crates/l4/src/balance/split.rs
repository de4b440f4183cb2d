//! Weighted choice among the backends of a route.

use std::fmt;
use std::ops::Range;

/// Position between 0 (inclusive) and 1 (exclusive), in units of 2⁻⁶⁴: it decides which backend is chosen.
///
/// Draw and weights determine the choice: [`Split::choose`] can be repeated from the connection log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw(pub u64);

impl Draw {
    /// Draw as a fraction from 0 to 1: for display, not for choosing.
    pub fn fraction(self) -> f64 {
        self.0 as f64 / 2f64.powi(64)
    }
}

impl fmt::Display for Draw {
    /// Sixteen hexadecimal digits: exact, and of constant width.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Sequence of evenly spread draws: a golden-ratio walk round the circle.
///
/// In any run of consecutive draws each interval gets its share within about two, at every scale; so a split is smooth
/// in the short and exact in the long run. It is independent of weights, which may change at any time without
/// disturbing it. Different starts keep workers and listeners out of step.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// 2⁶⁴ divided by the golden ratio, made odd: the step that keeps any number of draws farthest apart.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Creates a sequence that begins at `start`.
    pub fn starting_at(start: u64) -> Self {
        Self(start)
    }

    /// Returns the next draw.
    pub fn next_draw(&mut self) -> Draw {
        let draw = Draw(self.0);
        self.0 = self.0.wrapping_add(Self::STEP);
        draw
    }
}

/// Weights of a route's backends, prepared for the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// End of each backend's interval: the running sum of weights.
    ends: Vec<u64>,
}

impl Split {
    /// Prepares the weights, in the order of the backends.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let running_sum = |sum: &mut u64, weight: u32| {
            *sum = sum.saturating_add(weight.into());
            Some(*sum)
        };
        Self { ends: weights.into_iter().scan(0, running_sum).collect() }
    }

    /// Sum of the weights.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Index of the backend that a draw falls on; `None`: no backend has a weight above 0.
    pub fn choose(&self, Draw(draw): Draw) -> Option<usize> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let position = (u128::from(draw) * u128::from(total)) >> 64;
        Some(self.ends.partition_point(|end| u128::from(*end) <= position))
    }

    /// Index of the backend that takes a draw which fell on `first`, among others that `may`: they share these draws by
    /// their weights, and as evenly over time as their own. `None`: no other has a weight above 0.
    pub fn instead_of(&self, first: usize, Draw(draw): Draw, may: impl Fn(usize) -> bool) -> Option<usize> {
        let may = |index: &usize| *index != first && may(*index) && self.weight(*index) > 0;
        let others = || (0..self.ends.len()).filter(may);
        let total: u128 = others().map(|index| u128::from(self.weight(index))).sum();
        let width = u128::from(self.weight(first));
        // position of the draw in the interval of the first, scaled to a draw again
        let start = u128::from(self.ends.get(first).copied().unwrap_or(0)) - width;
        let within = (u128::from(draw) * u128::from(self.total())).wrapping_sub(start << 64);
        let within = within.checked_div(width)?.min(u64::MAX.into());
        let mut position = (within * total) >> 64;
        others().find(|index| {
            let weight = u128::from(self.weight(*index));
            let found = position < weight;
            position = position.saturating_sub(weight);
            found
        })
    }

    /// Interval of draws that fall on a backend, as fractions from 0 to 1: for display, not for choosing. `None`: no
    /// backend has a weight above 0, or there is no such backend.
    pub fn interval(&self, index: usize) -> Option<Range<f64>> {
        let (end, total) = (*self.ends.get(index)? as f64, self.total() as f64);
        (total > 0.0).then(|| (end - self.weight(index) as f64) / total..end / total)
    }

    /// Weight of a backend; 0 if there is none.
    pub fn weight(&self, index: usize) -> u64 {
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        end.saturating_sub(start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), Just(u32::MAX), 0..100u32, any::<u32>()], 0..8)
    }

    proptest! {
        #[test]
        fn a_choice_is_total_and_never_weightless(weights in weights(), draw in any::<u64>()) {
            match Split::new(weights.iter().copied()).choose(Draw(draw)) {
                Some(index) => prop_assert!(weights[index] > 0),
                None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
            }
        }

        #[test]
        fn shares_are_exact_within_a_few_connections(
            weights in prop::collection::vec(0..100u32, 1..6),
            start in any::<u64>(),
            connections in 1..3000u32,
        ) {
            let split = Split::new(weights.iter().copied());
            prop_assume!(split.total() > 0);
            let mut draws = Draws::starting_at(start);
            let mut seen = vec![0u32; weights.len()];
            for _ in 0..connections {
                seen[split.choose(draws.next_draw()).unwrap()] += 1;
            }
            for (weight, seen) in weights.iter().zip(seen) {
                let wanted = f64::from(connections) * f64::from(*weight) / split.total() as f64;
                prop_assert!((f64::from(seen) - wanted).abs() < 4.0, "{weights:?}: {seen} for {wanted}");
            }
        }

        #[test]
        fn one_percent_gets_zero_to_two_of_any_hundred(start in any::<u64>()) {
            let (split, mut draws) = (Split::new([99, 1]), Draws::starting_at(start));
            let seen = (0..100).filter(|_| split.choose(draws.next_draw()) == Some(1)).count();
            prop_assert!(seen <= 2);
        }

        #[test]
        fn a_share_that_spills_goes_to_the_others_by_weight(
            weights in prop::collection::vec(0..50u32, 2..6), down in any::<prop::sample::Index>(), start in any::<u64>(),
        ) {
            let (split, down) = (Split::new(weights.iter().copied()), down.index(weights.len()));
            prop_assume!(split.total() > 0);
            let rest = split.total() - u64::from(weights[down]);
            let mut draws = Draws::starting_at(start);
            let mut seen = vec![0u32; weights.len()];
            for _ in 0..2000 {
                let draw = draws.next_draw();
                let first = split.choose(draw).unwrap();
                let taken = if first == down { split.instead_of(first, draw, |_| true) } else { Some(first) };
                prop_assert_eq!(taken.is_none(), rest == 0);
                if let Some(taken) = taken {
                    seen[taken] += 1;
                }
            }
            prop_assert_eq!(seen[down], 0);
            for (index, weight) in weights.iter().enumerate().filter(|(index, _)| *index != down) {
                let wanted = 2000.0 * f64::from(*weight) / (rest as f64).max(1.0);
                prop_assert!((f64::from(seen[index]) - wanted).abs() < 20.0, "{weights:?}: {seen:?}");
            }
        }

        #[test]
        fn a_change_of_weights_does_not_disturb_the_walk(start in any::<u64>(), change_at in 0..1000u32) {
            let (before, after) = (Split::new([90, 10]), Split::new([80, 20]));
            let mut draws = Draws::starting_at(start);
            let mut seen = 0u32;
            for connection in 0..1000u32 {
                let split = if connection < change_at { &before } else { &after };
                seen += u32::from(split.choose(draws.next_draw()) == Some(1));
            }
            let wanted = f64::from(change_at) * 0.1 + f64::from(1000 - change_at) * 0.2;
            prop_assert!((f64::from(seen) - wanted).abs() < 6.0);
        }
    }

    #[test]
    fn the_largest_draw_falls_on_the_last_backend_with_a_weight() {
        assert_eq!(Split::new([1, u32::MAX, 1, 0]).choose(Draw(u64::MAX)), Some(2));
        assert_eq!(Split::new([]).choose(Draw(0)), None);
    }
}
