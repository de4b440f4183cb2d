//! Sticky choice among the backends of a route: a client keeps its backend as long as the weights allow it.

use std::collections::BTreeMap;

use super::hash::{mix_both, position};

/// Weighted rendezvous: every backend bids for a client, and the highest bid wins.
///
/// A bid depends on the client, the backend's name and its weight, and on nothing else: not on the other backends,
/// their order, the worker or the proxy. So when one weight grows, clients move to that backend and nowhere else; when
/// a backend goes, only its own clients move; and of many clients each backend gets its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendezvous {
    bidders: Vec<Candidate>,
}

#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    key: u64,
    weight: f64,
}

impl Rendezvous {
    /// Prepares the names and weights, in the order of the backends. Equal names are told apart by how many came
    /// before.
    pub fn new<'a>(backends: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let bidders = backends.into_iter().map(|(name, weight)| {
            let before = seen.entry(name).or_default();
            let key = mix_both(position(name.as_bytes()), *before);
            *before += 1;
            Candidate { key, weight: weight.into() }
        });
        Self { bidders: bidders.collect() }
    }

    /// Index of the backend for a client at `position`, among those that `may`; `None`: none of them has a weight above
    /// 0.
    pub fn choose(&self, position: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (index, bidder) in self.bidders.iter().enumerate() {
            if bidder.weight > 0.0 && may(index) {
                let bid = bidder.bid(position);
                if best.is_none_or(|(highest, _)| bid > highest) {
                    best = Some((bid, index));
                }
            }
        }
        best.map(|(_, index)| index)
    }
}

impl Candidate {
    /// Computes the bid `weight / -ln(u)`, with a `u` between 0 and 1 from client and backend together: the maximum of
    /// such bids falls on each bidder in proportion to its weight.
    fn bid(&self, position: u64) -> f64 {
        let unit = ((mix_both(self.key, position) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        self.weight / -unit.ln()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::hash::mix;

    const NAMES: [&str; 5] = ["v1", "v2", "v3", "v2", "v4"];

    fn rendezvous(weights: &[u32]) -> Rendezvous {
        Rendezvous::new(NAMES.into_iter().zip(weights.iter().copied()))
    }

    fn clients(seed: u64, count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(move |client| mix(seed ^ mix(client)))
    }

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(prop_oneof![0..100u32, Just(0), Just(1), any::<u32>()], 1..=5)
    }

    proptest! {
        #[test]
        fn a_weight_that_grows_only_draws_clients_to_itself(
            weights in weights(), grown in 0..5usize, by in 1..1000u32, seed in any::<u64>(),
        ) {
            let grown = grown % weights.len();
            let mut after = weights.clone();
            after[grown] = after[grown].saturating_add(by);
            let (before, after) = (rendezvous(&weights), rendezvous(&after));
            for client in clients(seed, 200) {
                let (was, is) = (before.choose(client, |_| true), after.choose(client, |_| true));
                prop_assert!(is == was || is == Some(grown), "{:?} -> {:?}", was, is);
            }
        }

        #[test]
        fn moving_a_share_between_two_moves_clients_one_way_only(
            from in 0..=100u32, to in 0..=100u32, seed in any::<u64>(),
        ) {
            let (from, to) = (from.min(to), from.max(to));
            let (before, after) = (rendezvous(&[100 - from, from]), rendezvous(&[100 - to, to]));
            for client in clients(seed, 200) {
                let (was, is) = (before.choose(client, |_| true), after.choose(client, |_| true));
                prop_assert!(is == was || (was, is) == (Some(0), Some(1)), "{:?} -> {:?}", was, is);
            }
        }

        #[test]
        fn who_may_not_be_chosen_loses_only_its_own_clients(
            weights in weights(), gone in 0..5usize, seed in any::<u64>(),
        ) {
            let all = rendezvous(&weights);
            let mut without = weights.clone();
            if let Some(weight) = without.get_mut(gone) {
                *weight = 0;
            }
            let without = rendezvous(&without);
            for client in clients(seed, 100) {
                let (was, is) = (all.choose(client, |_| true), all.choose(client, |index| index != gone));
                prop_assert!(is == was || was == Some(gone));
                prop_assert_eq!(is, without.choose(client, |_| true));
            }
        }

        #[test]
        fn order_and_scale_do_not_count(a in 1..100u32, b in 1..100u32, scale in 1..1000u32, seed in any::<u64>()) {
            let one = Rendezvous::new([("v1", a), ("v2", b)]);
            let other = Rendezvous::new([("v2", b * scale), ("v1", a * scale)]);
            for client in clients(seed, 100) {
                let other = other.choose(client, |_| true).map(|index| 1 - index);
                prop_assert_eq!(one.choose(client, |_| true), other);
            }
        }

        #[test]
        fn each_backend_gets_its_share_of_many_clients(
            weights in prop::collection::vec(0..100u32, 2..=5), seed in any::<u64>(),
        ) {
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            prop_assume!(total > 0.0);
            let (split, clients_in_all) = (rendezvous(&weights), 2000u32);
            let mut seen = vec![0u32; weights.len()];
            for client in clients(seed, clients_in_all.into()) {
                seen[split.choose(client, |_| true).unwrap()] += 1;
            }
            for (weight, seen) in weights.iter().zip(seen) {
                let share = f64::from(*weight) / total;
                let (wanted, variance) = (2000.0 * share, 2000.0 * share * (1.0 - share));
                // independent clients: six standard deviations and a little
                prop_assert!((f64::from(seen) - wanted).abs() <= 6.0 * variance.sqrt() + 3.0, "{seen} for {wanted}");
            }
        }
    }
}
