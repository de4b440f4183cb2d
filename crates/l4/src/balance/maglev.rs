//! Consistent hashing by a Maglev table: one look-up, and shares that are even to within a few entries.

use std::num::NonZeroU32;

use super::hash::{mix, mix_both};

/// Maglev table: a prime number of entries, filled by the endpoints in turns, each in an order of its own.
///
/// Each endpoint has its share of the entries to within a few; see the tests for the bound. When one is removed, the
/// table is filled anew: its clients are spread over the others, and a few percent of the others' clients move, too. An
/// endpoint that is only unusable for a while stays in the table: a client that finds it there looks at further entries
/// in an order of its own, so no other client moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    /// Indices of endpoints; empty if there are none.
    entries: Box<[u32]>,
}

/// Number of entries of a cluster that sets none; a prime number.
pub const DEFAULT_TABLE: u32 = 65_537;
/// Limit on entries: some 20 MB.
const LARGEST_TABLE: u32 = 5_000_011;
/// Number of entries a client looks at before it takes the next that may be used.
const LOOKS: usize = 64;

impl Maglev {
    /// Fills a table for the keys and weights of the endpoints, in their order. `size` is rounded up to a prime number.
    pub fn new(endpoints: &[(u64, NonZeroU32)], size: u32) -> Self {
        let size = next_prime(size.clamp(3, LARGEST_TABLE));
        let Some(heaviest) = endpoints.iter().map(|(_, weight)| u64::from(weight.get())).max() else {
            return Self { entries: Box::default() };
        };
        let mut fillers: Vec<Filler> = (0u32..)
            .zip(endpoints)
            .map(|(owner, (key, weight))| Filler::new(owner, *key, weight.get().into(), size))
            .collect();
        // the table must not depend on the order of the endpoints
        fillers.sort_by_key(|filler| filler.key);
        let mut entries = vec![u32::MAX; size as usize];
        let mut vacant = size;
        'filling: for round in 1u64.. {
            for filler in &mut fillers {
                // the heaviest has a turn in every round, the others as often as their weight says
                if round * filler.weight < filler.turns * heaviest {
                    continue;
                }
                filler.turns += 1;
                filler.take_next_vacant(&mut entries);
                vacant -= 1;
                if vacant == 0 {
                    break 'filling;
                }
            }
        }
        Self { entries: entries.into() }
    }

    /// Index of the endpoint for a client at `position`, among those that `may`; `None`: none may.
    pub fn at(&self, position: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let size = self.entries.len() as u64;
        let first = position.checked_rem(size)?;
        let step = mix(position) % (size - 1) + 1;
        let looks =
            (0..LOOKS as u64).map(|look| (first + look * step) % size).chain((first..size).chain(0..first));
        looks
            .filter_map(|entry| self.entries.get(entry as usize))
            .map(|owner| *owner as usize)
            .find(|owner| may(*owner))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if there are no entries, and so no endpoints.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Endpoint that fills entries.
struct Filler {
    owner: u32,
    key: u64,
    weight: u64,
    /// Number of its turns so far, plus one.
    turns: u64,
    next: u64,
    step: u64,
}

impl Filler {
    fn new(owner: u32, key: u64, weight: u64, size: u32) -> Self {
        let size = u64::from(size);
        let (next, step) = (mix_both(key, 1) % size, mix_both(key, 2) % (size - 1) + 1);
        Self { owner, key, weight, turns: 1, next, step }
    }

    /// Steps round the table, which reaches every entry because its size is prime.
    fn take_next_vacant(&mut self, entries: &mut [u32]) {
        let size = entries.len() as u64;
        for _ in 0..size {
            let at = self.next as usize;
            self.next = (self.next + self.step) % size;
            if let Some(entry) = entries.get_mut(at)
                && *entry == u32::MAX
            {
                *entry = self.owner;
                return;
            }
        }
    }
}

fn next_prime(from: u32) -> u32 {
    let is_prime =
        |number: &u32| (2..).take_while(|by| by * by <= *number).all(|by| !number.is_multiple_of(by));
    (from..).find(is_prime).unwrap_or(DEFAULT_TABLE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::hash::position;

    const SIZE: u32 = 2003;

    fn endpoints(weights: &[u32]) -> Vec<(u64, NonZeroU32)> {
        let keys = (0..).map(|number| position(format!("10.0.0.{number}:80").as_bytes()));
        keys.zip(weights.iter().filter_map(|weight| NonZeroU32::new(*weight))).collect()
    }

    proptest! {
        #[test]
        fn shares_follow_the_weights_within_one_entry_and_what_the_last_round_gave(
            weights in prop::collection::vec(1..50u32, 1..20),
        ) {
            let table = Maglev::new(&endpoints(&weights), SIZE);
            let total: u32 = weights.iter().sum();
            for (index, weight) in weights.iter().enumerate() {
                let entries = table.entries.iter().filter(|owner| **owner as usize == index).count();
                let share = f64::from(*weight) / f64::from(total);
                let bound = 1.0 + weights.len() as f64 * share;
                prop_assert!((entries as f64 - f64::from(SIZE) * share).abs() <= bound, "{entries} of {SIZE}, {share}");
            }
        }

        #[test]
        fn an_endpoint_that_goes_moves_few_of_the_others_clients(
            count in 2..16usize, gone in any::<prop::sample::Index>(),
        ) {
            let all = endpoints(&vec![1; count]);
            let gone = gone.index(count);
            let mut rest = all.clone();
            rest.remove(gone);
            let (before, after) = (Maglev::new(&all, SIZE), Maglev::new(&rest, SIZE));
            let moved = before.entries.iter().zip(&after.entries).filter(|(was, is)| {
                let is = **is as usize + usize::from(**is as usize >= gone);
                **was as usize != gone && is != **was as usize
            });
            let moved = moved.count() as f64 / f64::from(SIZE);
            prop_assert!(moved < 0.08, "{moved}");
        }

        #[test]
        fn one_that_may_not_be_used_moves_only_its_own_clients(
            weights in prop::collection::vec(1..5u32, 2..10), gone in any::<prop::sample::Index>(), client in any::<u64>(),
        ) {
            let gone = gone.index(weights.len());
            let table = Maglev::new(&endpoints(&weights), SIZE);
            let was = table.at(client, |_| true).unwrap();
            let is = table.at(client, |index| index != gone).unwrap();
            prop_assert!(is != gone && (was == gone || was == is));
        }

        #[test]
        fn the_order_of_the_endpoints_does_not_count(weights in prop::collection::vec(1..5u32, 1..8), client in any::<u64>()) {
            let all = endpoints(&weights);
            let mut turned = all.clone();
            turned.reverse();
            let (one, other) = (Maglev::new(&all, SIZE), Maglev::new(&turned, SIZE));
            prop_assert_eq!(one.at(client, |_| true), other.at(client, |_| true).map(|index| all.len() - 1 - index));
        }
    }

    #[test]
    fn a_table_has_a_prime_number_of_entries() {
        assert_eq!(Maglev::new(&endpoints(&[1, 1]), 100).len(), 101);
        assert_eq!(Maglev::new(&endpoints(&[1, 1]), DEFAULT_TABLE).len(), DEFAULT_TABLE as usize);
        assert_eq!(Maglev::new(&[], 100).at(1, |_| true), None);
        assert_eq!(Maglev::new(&endpoints(&[1, 1]), 100).at(1, |_| false), None);
    }
}
