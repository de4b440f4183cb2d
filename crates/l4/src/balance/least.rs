//! Least-connections choice among a few drawn endpoints.

use super::hash::mix_both;

/// Picks, of `of` endpoints, the one with the fewest connections for its weight among `choices` drawn ones.
///
/// `turn` decides which are drawn and which wins among equals; with as many choices as endpoints all are considered.
/// `busy` returns the connections and the weight of an endpoint. Returns 0 if there are none.
pub fn least(turn: u64, of: usize, choices: usize, busy: impl Fn(usize) -> (u32, u32)) -> usize {
    if choices >= of {
        let start = turn.checked_rem(of as u64).unwrap_or(0) as usize;
        return best((0..of).map(|step| (start + step) % of), busy);
    }
    let first = (mix_both(turn, 0) % of as u64) as usize;
    // each further one differs from the first
    let others = (1..choices as u64).map(|number| {
        let step = mix_both(turn, number) % (of as u64 - 1) + 1;
        (first + step as usize) % of
    });
    best(std::iter::once(first).chain(others), busy)
}

fn best(candidates: impl Iterator<Item = usize>, busy: impl Fn(usize) -> (u32, u32)) -> usize {
    // one more connection for a weight: as a fraction, compared crosswise
    let cost = |index: usize| {
        let (connections, weight) = busy(index);
        (u64::from(connections) + 1, u64::from(weight.max(1)))
    };
    let is_less =
        |a: (u64, u64), b: (u64, u64)| u128::from(a.0) * u128::from(b.1) < u128::from(b.0) * u128::from(a.1);
    let mut best: Option<(usize, (u64, u64))> = None;
    for candidate in candidates {
        let cost = cost(candidate);
        if best.is_none_or(|(_, lowest)| is_less(cost, lowest)) {
            best = Some((candidate, cost));
        }
    }
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn with_a_look_at_all_nobody_is_less_busy(
            busy in prop::collection::vec((0..20u32, 1..5u32), 1..8), turn in any::<u64>(),
        ) {
            let chosen = busy[least(turn, busy.len(), busy.len(), |index| busy[index])];
            for other in busy {
                prop_assert!((chosen.0 + 1) * other.1 <= (other.0 + 1) * chosen.1);
            }
        }

        #[test]
        fn of_two_or_more_choices_it_is_never_the_busiest(
            connections in prop::collection::btree_set(0..100u32, 3..10), choices in 2..4usize, turn in any::<u64>(),
        ) {
            let connections: Vec<u32> = connections.into_iter().collect();
            let chosen = least(turn, connections.len(), choices, |index| (connections[index], 1));
            prop_assert!(chosen != connections.len() - 1);
        }

        #[test]
        fn connections_that_stay_spread_by_weight(
            weights in prop::collection::vec(1..5u32, 1..6), start in 0..u64::MAX / 2,
        ) {
            let mut open = vec![0u32; weights.len()];
            let total: u32 = weights.iter().sum();
            for turn in 0..u64::from(total) * 10 {
                let chosen = least(start + turn, open.len(), open.len(), |index| (open[index], weights[index]));
                open[chosen] += 1;
            }
            for (weight, open) in weights.iter().zip(open) {
                prop_assert!(open.abs_diff(weight * 10) <= 1 + weight / 2, "{open} for {weight}");
            }
        }
    }

    #[test]
    fn equals_take_turns() {
        let turns: Vec<usize> = (0..4).map(|turn| least(turn, 2, 2, |_| (0, 1))).collect();
        assert_eq!(turns, [0, 1, 0, 1]);
    }
}
