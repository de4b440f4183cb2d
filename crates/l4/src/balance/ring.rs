//! Consistent hashing on a ring.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::hash::mix_both;

/// Points on a circle of 2⁶⁴ positions; a client goes to the owner of the next point after its own position.
///
/// An endpoint has 128 points for each unit of its weight, and their places depend on the endpoint alone. So an
/// endpoint that is removed or unusable loses its own clients to the others and moves no other client. When there are
/// too few or too many points for the wanted size, all numbers of points are doubled or halved together; the points
/// that stay keep their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    positions: Box<[u64]>,
    /// Owner of the point at the same index.
    owners: Box<[u32]>,
}

/// Points of an endpoint for each unit of its weight.
const POINTS: u64 = 128;

/// Number of points of a cluster that sets none.
pub const DEFAULT_RING: RangeInclusive<u32> = 0..=1 << 16;

impl Ring {
    /// Places the points for the keys and weights of the endpoints, in their order; `size` bounds the points of all
    /// together.
    pub fn new(endpoints: &[(u64, NonZeroU32)], size: &RangeInclusive<u32>) -> Self {
        let scale = Scale::fitting(endpoints, size);
        let mut points = Vec::new();
        for (owner, (key, weight)) in (0u32..).zip(endpoints) {
            points.extend((0..scale.points(*weight)).map(|number| (mix_both(*key, number), owner)));
        }
        // owners of equal positions are ordered independently of the endpoints' order
        points.sort_unstable_by_key(|(position, owner)| {
            (*position, endpoints.get(*owner as usize).map(|(key, _)| *key))
        });
        let (positions, owners): (Vec<u64>, Vec<u32>) = points.into_iter().unzip();
        Self { positions: positions.into(), owners: owners.into() }
    }

    /// Index of the endpoint for a client at `position`, among those that `may`; `None`: none may.
    pub fn at(&self, position: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let next = self.positions.partition_point(|point| *point < position);
        let (before, after) = self.owners.split_at(next);
        after.iter().chain(before).map(|owner| *owner as usize).find(|owner| may(*owner))
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Returns `true` if there are no points, and so no endpoints.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// Points for a unit of weight: [`POINTS`] times a power of two.
#[derive(Clone, Copy)]
struct Scale {
    doubled: u32,
    halved: u32,
}

impl Scale {
    fn fitting(endpoints: &[(u64, NonZeroU32)], size: &RangeInclusive<u32>) -> Self {
        let sum = |scale: Self| -> u64 {
            endpoints.iter().fold(0, |sum, (_, weight)| scale.points(*weight).saturating_add(sum))
        };
        let mut scale = Self { doubled: 0, halved: 0 };
        while !endpoints.is_empty() && scale.doubled < 20 && sum(scale) < u64::from(*size.start()) {
            scale.doubled += 1;
        }
        while scale.doubled == 0 && scale.halved < 40 && sum(scale) > u64::from(*size.end()) {
            scale.halved += 1;
        }
        scale
    }

    /// Number of points of an endpoint, at least one.
    fn points(self, weight: NonZeroU32) -> u64 {
        let points = (u64::from(weight.get()) * POINTS) << self.doubled;
        (points >> self.halved).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::hash::{mix, position};

    fn endpoints(weights: &[u32]) -> Vec<(u64, NonZeroU32)> {
        let keys = (0..).map(|number| position(format!("10.0.0.{number}:80").as_bytes()));
        keys.zip(weights.iter().filter_map(|weight| NonZeroU32::new(*weight))).collect()
    }

    fn clients(seed: u64) -> impl Iterator<Item = u64> {
        (0..300).map(move |client| mix(seed ^ mix(client)))
    }

    proptest! {
        #[test]
        fn an_endpoint_that_goes_moves_only_its_own_clients(
            weights in prop::collection::vec(1..5u32, 2..12), gone in any::<prop::sample::Index>(), seed in any::<u64>(),
        ) {
            let all = endpoints(&weights);
            let gone = gone.index(all.len());
            let mut rest = all.clone();
            rest.remove(gone);
            let (ring, without) = (Ring::new(&all, &DEFAULT_RING), Ring::new(&rest, &DEFAULT_RING));
            for client in clients(seed) {
                let was = ring.at(client, |_| true).unwrap();
                let is = ring.at(client, |index| index != gone).unwrap();
                prop_assert!(was == gone || was == is);
                // unusable and absent endpoints are equivalent
                let index = without.at(client, |_| true).unwrap();
                prop_assert_eq!(is, index + usize::from(index >= gone));
            }
        }

        #[test]
        fn shares_follow_the_weights_within_a_third(weights in prop::collection::vec(1..4u32, 1..8)) {
            let ring = Ring::new(&endpoints(&weights), &DEFAULT_RING);
            let total: u32 = weights.iter().sum();
            let mut arcs = vec![0u128; weights.len()];
            let ends = ring.positions.iter().copied();
            let starts = ring.positions.last().copied().into_iter().chain(ring.positions.iter().copied());
            for ((start, end), owner) in starts.zip(ends).zip(&ring.owners) {
                arcs[*owner as usize] += u128::from(end.wrapping_sub(start));
            }
            for (weight, arc) in weights.iter().zip(arcs) {
                let share = arc as f64 / 2f64.powi(64);
                let wanted = f64::from(*weight) / f64::from(total);
                prop_assert!((share - wanted).abs() <= wanted / 3.0, "{share} for {wanted}");
            }
        }

        #[test]
        fn a_ring_keeps_to_its_size(weights in prop::collection::vec(1..1000u32, 1..20), least in 0..5000u32) {
            let all = endpoints(&weights);
            let size = least..=least.max(20) * 3;
            let ring = Ring::new(&all, &size);
            prop_assert!(ring.len() >= least as usize && ring.len() <= *size.end() as usize, "{} of {size:?}", ring.len());
        }
    }

    #[test]
    fn nobody_is_at_an_empty_ring() {
        assert_eq!(Ring::new(&[], &DEFAULT_RING).at(7, |_| true), None);
        assert_eq!(Ring::new(&endpoints(&[1]), &DEFAULT_RING).at(7, |_| false), None);
    }
}
