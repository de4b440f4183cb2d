//! What a change of a route does to the connections that live: arithmetic over shares, idle times and chance. No
//! socket, no clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Route;

/// How many connections one worker closes at most in one turn of a drain.
pub(crate) const AT_ONCE: usize = 10;
/// The mean time between two turns.
const PAUSE: Duration = Duration::from_millis(100);

/// The weights of a route, by cluster: a backendRef may be said anew and still lead to the same place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    weights: BTreeMap<Arc<str>, u64>,
    total: u64,
}

impl Shares {
    pub(crate) fn of(route: &Route) -> Self {
        Self::new(route.backends.iter().map(|backend| (backend.cluster_name(), backend.weight)))
    }

    fn new<'a>(weights: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut shares = Self::default();
        for (cluster, weight) in weights {
            *shares.weights.entry(cluster.into()).or_default() += u64::from(weight);
            shares.total += u64::from(weight);
        }
        shares
    }

    /// Whether the route leads to the cluster, be it with weight 0.
    pub(crate) fn lead_to(&self, cluster: &str) -> bool {
        self.weights.contains_key(cluster)
    }

    /// Whether every cluster has the same share in both, whatever the weights are counted in.
    pub(crate) fn equal(&self, other: &Self) -> bool {
        let all = self.weights.keys().chain(other.weights.keys());
        all.into_iter().all(|cluster| {
            let (ours, theirs) = (self.weight(cluster), other.weight(cluster));
            u128::from(ours) * u128::from(other.total) == u128::from(theirs) * u128::from(self.total)
        }) && (self.total == 0) == (other.total == 0)
    }

    fn weight(&self, cluster: &str) -> u64 {
        self.weights.get(cluster).copied().unwrap_or(0)
    }

    /// The share of a cluster in `connections`, rounded up.
    fn part_of(&self, connections: u64, cluster: &str) -> u64 {
        if self.total == 0 {
            return 0;
        }
        let exact = u128::from(connections) * u128::from(self.weight(cluster));
        u64::try_from(exact.div_ceil(u128::from(self.total))).unwrap_or(u64::MAX)
    }
}

/// A connection that may be closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Living<'a> {
    /// What the caller knows it by.
    pub(crate) key: u32,
    /// Where it was carried to.
    pub(crate) cluster: &'a str,
    /// How long nothing moved on it.
    pub(crate) idle: Duration,
}

/// How many of the connections that lived when weights changed each cluster may keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    quotas: BTreeMap<Arc<str>, u64>,
}

impl Drain {
    /// Gives each cluster its new share of the connections that live, by the clusters that these are carried to.
    pub(crate) fn towards<'a>(shares: &Shares, living: impl IntoIterator<Item = &'a str>) -> Self {
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for cluster in living {
            *counted.entry(cluster).or_default() += 1;
        }
        let all = counted.values().sum();
        let quotas = counted.keys().map(|cluster| (Arc::from(*cluster), shares.part_of(all, cluster)));
        Self { quotas: quotas.collect() }
    }

    /// Whom to close now: at most `at_most`, never more than a cluster has above its quota, those that are idle for
    /// longest first. Empty when nobody is above.
    ///
    /// Whoever ended by itself since then has made room: ask with those that live now.
    pub(crate) fn choose(&self, mut living: Vec<Living<'_>>, at_most: usize) -> Vec<u32> {
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

/// How long to wait until the next turn of a drain: half to one and a half of the mean, so that neither the workers of
/// a proxy nor the proxies of a mesh close in step. `chance` is any number.
pub(crate) fn pause(chance: u64) -> Duration {
    PAUSE / 2 + PAUSE.mul_f64(fraction(chance))
}

/// When to close a connection whose backend was removed: after the grace and at most a tenth of it, so that they do
/// not all come back in one moment.
pub(crate) fn after_grace(grace: Duration, chance: u64) -> Duration {
    grace + (grace / 10).mul_f64(fraction(chance))
}

/// A number between 0 and 1.
fn fraction(chance: u64) -> f64 {
    (chance >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn living<'a>(clusters: &'a [&'a str]) -> Vec<Living<'a>> {
        let each = clusters.iter().enumerate();
        each.map(|(at, cluster)| Living { key: at as u32, cluster, idle: Duration::from_secs(at as u64) })
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

    proptest! {
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
                let living = clusters.iter().map(|(key, cluster)| Living { key: *key, cluster, idle: Duration::ZERO });
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
