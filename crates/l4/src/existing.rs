//! Effect of a route change on live connections: arithmetic over shares, idle times and chance. No socket, no clock.

mod fate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Backend, Route, Target, WhenDown};
pub use fate::{Established, Fate, fate};

/// Limit on connections that one worker closes in one turn of a drain.
pub const AT_ONCE: usize = 10;
/// Mean time between two turns.
const PAUSE: Duration = Duration::from_millis(100);

/// Weights of a route, by cluster: a backendRef may be rewritten and still lead to the same cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    weights: BTreeMap<Arc<str>, u64>,
    total: u64,
}

impl Shares {
    /// Configured weights of a route.
    pub fn of(route: &Route) -> Self {
        Self::new(route.backends.iter().map(|backend| (backend.cluster_name(), backend.weight)))
    }

    /// Shares of new connections: backends that spill and cannot be dialled lose theirs to the others; if none is left,
    /// those of the weights. `takes` returns `true` if anything of a backend, by its index, can be dialled.
    pub fn in_effect(route: &Route, takes: impl Fn(usize) -> bool) -> Self {
        let spilled = |index: usize, backend: &Backend| {
            let spills = backend.when_down == WhenDown::Spill && matches!(backend.target, Target::Cluster(_));
            spills && !takes(index)
        };
        let backends = route.backends.iter().enumerate();
        let shares = Self::new(backends.map(|(index, backend)| {
            (backend.cluster_name(), if spilled(index, backend) { 0 } else { backend.weight })
        }));
        if shares.total == 0 { Self::of(route) } else { shares }
    }

    fn new<'a>(weights: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut shares = Self::default();
        for (cluster, weight) in weights {
            *shares.weights.entry(cluster.into()).or_default() += u64::from(weight);
            shares.total += u64::from(weight);
        }
        shares
    }

    /// Returns `true` if the route leads to the cluster, even with weight 0.
    pub fn lead_to(&self, cluster: &str) -> bool {
        self.weights.contains_key(cluster)
    }

    /// Returns `true` if every cluster has the same share in both, whatever the unit of the weights.
    pub fn equal(&self, other: &Self) -> bool {
        let all = self.weights.keys().chain(other.weights.keys());
        all.into_iter().all(|cluster| {
            let (ours, theirs) = (self.weight(cluster), other.weight(cluster));
            u128::from(ours) * u128::from(other.total) == u128::from(theirs) * u128::from(self.total)
        }) && (self.total == 0) == (other.total == 0)
    }

    fn weight(&self, cluster: &str) -> u64 {
        self.weights.get(cluster).copied().unwrap_or(0)
    }

    /// Share of a cluster in `connections`, rounded up.
    fn part_of(&self, connections: u64, cluster: &str) -> u64 {
        if self.total == 0 {
            return 0;
        }
        let exact = u128::from(connections) * u128::from(self.weight(cluster));
        u64::try_from(exact.div_ceil(u128::from(self.total))).unwrap_or(u64::MAX)
    }
}

/// Returns `true` if a connection has to leave its cluster, on a route that closes connections that would go elsewhere.
///
/// It was `drawn` for one cluster and `is_at` the same, or at another one because the first failed; now its draw leads
/// to `leads_to`, which may send it on to `goes`. If `drawn` failed, the weights did not put it where it is, and if
/// `leads_to` fails, they do not move it: so it stays as long as any of these is one of the clusters that it had to do
/// with.
fn has_to_leave(is_at: &str, drawn: &str, leads_to: &str, goes: &str) -> bool {
    let knows = |cluster: &str| cluster == is_at || cluster == drawn;
    !knows(leads_to) && goes != is_at
}

/// Live connection that may be closed.
#[derive(Clone, Copy, Debug)]
pub struct ClosableConnection<'a> {
    /// Key by which the caller knows it.
    pub key: u32,
    /// Cluster that it was carried to.
    pub cluster: &'a str,
    /// Idle time.
    pub idle: Duration,
}

/// Drain after a change of weights: the number of live connections that each cluster may keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    quotas: BTreeMap<Arc<str>, u64>,
}

impl Drain {
    /// Gives each cluster its new share of the live connections. `living`: the cluster of each.
    pub fn towards<'a>(shares: &Shares, living: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for cluster in living {
            *counted.entry(cluster).or_default() += 1;
        }
        let all = counted.values().sum();
        let quotas = counted.keys().map(|cluster| (Arc::from(*cluster), shares.part_of(all, cluster)));
        Self { quotas: quotas.collect() }
    }

    /// Keys of the connections to close now: at most `at_most`, never more than a cluster has above its quota, longest
    /// idle first. Empty if no cluster is above.
    ///
    /// Connections that ended by themselves have made room: `living` are those that live now.
    pub fn choose(&self, mut living: Vec<ClosableConnection<'_>>, at_most: usize) -> Vec<u32> {
        let mut above: BTreeMap<&str, u64> = BTreeMap::new();
        for connection in &living {
            *above.entry(connection.cluster).or_default() += 1;
        }
        for (cluster, count) in &mut above {
            *count = count.saturating_sub(self.quotas.get(*cluster).copied().unwrap_or(*count));
        }
        living.sort_by_key(|connection| (std::cmp::Reverse(connection.idle), connection.key));
        let excess = living.into_iter().filter(|connection| match above.get_mut(connection.cluster) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            Some(_) | None => false,
        });
        excess.map(|connection| connection.key).take(at_most).collect()
    }
}

/// Time until the next turn of a drain: half to one and a half of the mean, so that neither the workers of a proxy nor
/// the proxies of a mesh close in step. `chance` is any number.
pub fn pause(chance: u64) -> Duration {
    PAUSE / 2 + PAUSE.mul_f64(fraction(chance))
}

/// Time until a connection whose backend was removed is closed: the grace period plus at most a tenth of it, so that
/// not all clients reconnect at once.
pub fn after_grace(grace: Duration, chance: u64) -> Duration {
    grace + (grace / 10).mul_f64(fraction(chance))
}

/// Maps a number to a fraction between 0 and 1.
fn fraction(chance: u64) -> f64 {
    (chance >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::{Draw, Split};
    use crate::config::{Cluster, Existing};

    fn living<'a>(clusters: &'a [&'a str]) -> Vec<ClosableConnection<'a>> {
        let each = clusters.iter().enumerate();
        each.map(|(at, cluster)| ClosableConnection {
            key: at as u32,
            cluster,
            idle: Duration::from_secs(at as u64),
        })
        .collect()
    }

    #[test]
    fn only_the_excess_is_closed_the_longest_idle_first() {
        let shares = Shares::new([("a", 90), ("b", 10)]);
        let clusters = ["a"; 20];
        let drain = Drain::towards(&shares, clusters);
        assert_eq!(drain.choose(living(&clusters), 100), [19, 18]);
        assert_eq!(drain.choose(living(&clusters), 1), [19]);
        // two ended by themselves: nothing is left to do
        assert!(drain.choose(living(&clusters[..18]), 100).is_empty());
    }

    #[test]
    fn a_backend_without_a_share_keeps_nothing_and_the_others_everything() {
        let shares = Shares::new([("a", 0), ("b", 1)]);
        let clusters = ["a", "b", "a", "gone"];
        let drain = Drain::towards(&shares, clusters);
        assert_eq!(drain.choose(living(&clusters), 100), [3, 2, 0]);
    }

    #[test]
    fn shares_are_equal_whatever_weights_are_counted_in() {
        let some = Shares::new([("a", 9), ("b", 1), ("c", 0)]);
        assert!(some.equal(&Shares::new([("b", 10), ("a", 90)])));
        assert!(!some.equal(&Shares::new([("b", 10), ("a", 91)])));
        assert!(!some.equal(&Shares::new([("a", 0)])) && !Shares::new([("a", 0)]).equal(&some));
    }

    /// A route whose backends spill, with a cluster for each weight.
    fn route(weights: &[u32]) -> Route {
        let backend = |(index, weight): (usize, &u32)| Backend {
            reference: "".into(),
            weight: *weight,
            target: Target::Cluster(Arc::new(Cluster::new(NAMES[index], Vec::new()))),
            when_down: WhenDown::Spill,
        };
        Route {
            name: "outbound".into(),
            origin: None,
            backends: weights.iter().enumerate().map(backend).collect(),
            split: Split::new(weights.iter().copied()),
            sticky: None,
            retry_other_side: false,
            refusal: "".into(),
            existing: Existing::DrainExcess,
            drain_grace: None,
        }
    }

    const NAMES: [&str; 3] = ["a", "b", "c"];

    #[test]
    fn a_share_that_spills_is_part_of_the_others_shares_and_one_that_is_refused_is_not() {
        let mut route = route(&[50, 30, 20]);
        let without_b = |index: usize| index != 1;
        assert_eq!(Shares::in_effect(&route, without_b), Shares::new([("a", 50), ("b", 0), ("c", 20)]));
        assert_eq!(Shares::in_effect(&route, |_| true), Shares::of(&route));
        assert_eq!(Shares::in_effect(&route, |_| false), Shares::of(&route), "nobody is left to take it");
        route.backends[1].when_down = WhenDown::Refuse;
        assert_eq!(Shares::in_effect(&route, without_b), Shares::of(&route));
    }

    proptest! {
        /// Connections that a failure put elsewhere, and a change of weights afterwards.
        #[test]
        fn a_change_closes_whom_the_weights_move_and_nobody_whom_a_failure_moved(
            before in prop::collection::vec(1..20u32, 3),
            after in prop::collection::vec(0..20u32, 3),
            draws in prop::collection::vec(any::<u64>(), 1..50),
            failed in 0..3usize,
            still_fails in any::<bool>(),
        ) {
            let (before, after) = (Split::new(before), Split::new(after));
            prop_assume!(after.total() > 0);
            for draw in draws.into_iter().map(Draw) {
                let drawn = before.choose(draw).unwrap();
                let is_at = if drawn == failed { before.instead_of(drawn, draw, |_| true).unwrap() } else { drawn };
                let leads_to = after.choose(draw).unwrap();
                let goes = match after.instead_of(leads_to, draw, |_| true) {
                    Some(other) if still_fails && leads_to == failed => other,
                    Some(_) | None => leads_to,
                };
                let leaves = has_to_leave(NAMES[is_at], NAMES[drawn], NAMES[leads_to], NAMES[goes]);
                // its draw leads where it led before: the weights did not move it
                prop_assert!(!leaves || leads_to != drawn);
                // it would come back to its present cluster
                prop_assert!(!leaves || (leads_to != is_at && goes != is_at));
                // a connection at the cluster of its draw leaves exactly when its draw leads elsewhere
                if is_at == drawn && goes == leads_to {
                    prop_assert_eq!(leaves, leads_to != drawn);
                }
            }
        }

        /// A spilled connection belongs to its cluster while its backend is down: one that is spread by the present
        /// weights stays.
        #[test]
        fn a_drain_closes_nobody_who_would_only_spill_back(
            weights in prop::collection::vec(1..20u32, 3), down in 0..3usize, connections in 0..100u64,
        ) {
            let route = route(&weights);
            let shares = Shares::in_effect(&route, |index| index != down);
            let mut clusters = Vec::new();
            for (index, name) in NAMES.iter().enumerate().filter(|(index, _)| *index != down) {
                let share = connections * u64::from(weights[index]) / shares.total;
                clusters.extend(std::iter::repeat_n(*name, share as usize));
            }
            let drain = Drain::towards(&shares, clusters.iter().copied());
            prop_assert!(drain.choose(living(&clusters), 100).is_empty());
        }

        #[test]
        fn nobody_falls_below_the_new_share(
            weights in prop::collection::vec(0..10u32, 3),
            at in prop::collection::vec(0..3usize, 0..60),
            at_most in 1..20usize,
        ) {
            let names = ["a", "b", "c"];
            let shares = Shares::new(names.into_iter().zip(weights));
            let mut clusters: Vec<(u32, &str)> =
                at.iter().enumerate().map(|(key, at)| (key as u32, names[*at])).collect();
            let all = clusters.len() as u64;
            let drain = Drain::towards(&shares, clusters.iter().map(|(_, cluster)| *cluster));
            loop {
                let living = clusters
                    .iter()
                    .map(|(key, cluster)| ClosableConnection { key: *key, cluster, idle: Duration::ZERO });
                let closed = drain.choose(living.collect(), at_most);
                prop_assert!(closed.len() <= at_most);
                if closed.is_empty() {
                    break;
                }
                clusters.retain(|(key, _)| !closed.contains(key));
            }
            for name in names {
                let before = at.iter().filter(|at| names[**at] == name).count() as u64;
                let after = clusters.iter().filter(|(_, cluster)| *cluster == name).count() as u64;
                prop_assert_eq!(after, before.min(shares.part_of(all, name)));
            }
        }

        #[test]
        fn pauses_are_near_their_mean(chance in any::<u64>()) {
            let pause = pause(chance);
            prop_assert!(PAUSE / 2 <= pause && pause <= PAUSE * 3 / 2);
            let grace = Duration::from_secs(300);
            let after = after_grace(grace, chance);
            prop_assert!(grace <= after && after <= grace * 11 / 10);
        }
    }
}
