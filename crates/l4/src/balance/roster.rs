//! Rosters: the endpoints of a cluster that take connections now, and the order in which they are picked.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::hash::{mix, position};
use super::{BalancingPolicy, Draw, Maglev, Ring, Rotation, Split, least};
use crate::config::Cluster;
use crate::words::words;

/// State of an endpoint, as far as choosing it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitness {
    /// `true`: active health checks find it up, or there are none.
    pub up: bool,
    /// `true`: ejected for a while because connections to it failed.
    pub ejected: bool,
    /// Share of its weight that counts, in percent: less than 100 during its slow start.
    pub warmth: u8,
}

impl Default for Fitness {
    fn default() -> Self {
        Self { up: true, ejected: false, warmth: 100 }
    }
}

words! {
    /// Condition of a cluster.
    Condition {
        /// Usable endpoints take connections.
        Calm = "calm";
        /// Panic: so few endpoints are usable that health is ignored, and all take connections.
        Panic = "panic";
        /// No endpoint takes connections.
        Down = "down";
    }
}

/// Hash tables of each priority of a cluster. They are independent of health: building them is costly, and needed only
/// when endpoints come or go.
#[derive(Clone, Debug, Default)]
pub struct Tables(Vec<Table>);

#[derive(Clone, Debug)]
enum Table {
    Ring(Arc<Ring>),
    Maglev(Arc<Maglev>),
}

impl Tables {
    /// Builds the tables that a cluster's policy needs, if any.
    pub fn new(cluster: &Cluster) -> Self {
        let endpoints = |tier: &std::ops::Range<usize>| -> Vec<(u64, NonZeroU32)> {
            let endpoints = cluster.endpoints.get(tier.clone()).unwrap_or_default();
            let key = |endpoint: &crate::config::Endpoint| position(endpoint.to_string().as_bytes());
            endpoints.iter().map(|endpoint| (key(endpoint), endpoint.weight)).collect()
        };
        let tables = match &cluster.policy {
            BalancingPolicy::RingHash { size } => {
                let ring = |tier| Table::Ring(Arc::new(Ring::new(&endpoints(tier), size)));
                cluster.tiers.iter().map(ring).collect()
            }
            BalancingPolicy::Maglev { size } => {
                let table = |tier| Table::Maglev(Arc::new(Maglev::new(&endpoints(tier), *size)));
                cluster.tiers.iter().map(table).collect()
            }
            BalancingPolicy::RoundRobin
            | BalancingPolicy::Random
            | BalancingPolicy::LeastConnections { .. } => Vec::new(),
        };
        Self(tables)
    }
}

/// Endpoints of a cluster that take connections at one moment, in the order in which to try them. Immutable; replaced
/// when the health of an endpoint changes.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Indices of endpoints: first those of the active priority, then those of the others.
    order: Box<[u32]>,
    /// Number of endpoints in `order` that are of the active priority.
    first: usize,
    /// Weights of the endpoints of the active priority.
    weights: Box<[u32]>,
    chooser: Chooser,
    condition: Condition,
    usable: usize,
}

/// Rule by which a roster picks, for callers that pick without it.
#[derive(Clone, Copy, Debug)]
pub enum PickRule<'a> {
    /// Round-robin.
    Turns(&'a Rotation),
    /// Random by weight, each turn scattered to a draw by [`mix`](super::hash::mix).
    Chance(&'a Split),
    /// Fewest connections for its weight among drawn endpoints: see [`least`].
    Load {
        /// Number of drawn endpoints.
        choices: usize,
        /// Weights of the endpoints.
        weights: &'a [u32],
    },
    /// Hash of the client's address.
    Client,
    /// No endpoint to pick.
    Nobody,
}

#[derive(Clone, Debug)]
enum Chooser {
    Turns(Rotation),
    Random(Split),
    Least(usize),
    /// Place in `order` of each endpoint of the active priority; `u32::MAX` for one that is not usable.
    Table(Table, Box<[u32]>),
}

impl Roster {
    /// Builds the roster from the state of the endpoints, in their order; missing ones count as healthy.
    ///
    /// The lowest priority with enough usable endpoints is active (see [`Cluster::failover_threshold`]); if there is
    /// none, the one with the largest usable share. When fewer than [`Cluster::panic_threshold`] of it are usable, and
    /// no other priority is better off, all of its endpoints are used, or none.
    pub fn new(cluster: &Cluster, tables: &Tables, fitness: &[Fitness]) -> Self {
        let of = |index: usize| fitness.get(index).copied().unwrap_or_default();
        let all = || 0..cluster.endpoints.len();
        // ejected endpoints return when no other is left
        let someone = all().any(|index| of(index).up && !of(index).ejected);
        let usable = |index: &usize| of(*index).up && !(of(*index).ejected && someone);
        let levels: Vec<Level> = (0..cluster.tiers.len())
            .map(|tier| Level::new(tier, cluster.tiers.get(tier).cloned().unwrap_or_default(), usable))
            .collect();
        let Some(carrying) = carrying(&levels, cluster.failover_threshold) else {
            return Self::down(0);
        };
        let is_calm = |level: &Level| level.has_at_least(cluster.panic_threshold);
        let panic = !levels.iter().any(is_calm) && !is_calm(carrying);
        if panic && cluster.fail_on_panic {
            return Self::down(levels.iter().map(|level| level.usable.len()).sum());
        }
        let first: Vec<usize> =
            if panic { carrying.range.clone().collect() } else { carrying.usable.clone() };
        let rest = levels.iter().filter(|level| level.tier != carrying.tier).flat_map(|level| &level.usable);
        let order: Box<[u32]> = first.iter().chain(rest).map(|index| *index as u32).collect();
        let weights = weights(cluster, &first, of);
        let chooser = match (&cluster.policy, tables.0.get(carrying.tier)) {
            (BalancingPolicy::RingHash { .. } | BalancingPolicy::Maglev { .. }, Some(table)) => {
                Chooser::Table(table.clone(), places(carrying, &first))
            }
            (BalancingPolicy::Random, _) => Chooser::Random(Split::new(weights.iter().copied())),
            (BalancingPolicy::LeastConnections { choices }, _) => Chooser::Least(choices.get() as usize),
            (
                BalancingPolicy::RoundRobin
                | BalancingPolicy::RingHash { .. }
                | BalancingPolicy::Maglev { .. },
                _,
            ) => Chooser::Turns(Rotation::new(weights.iter().filter_map(|weight| NonZeroU32::new(*weight)))),
        };
        let condition = if panic { Condition::Panic } else { Condition::Calm };
        let usable = levels.iter().map(|level| level.usable.len()).sum();
        Self { order, first: first.len(), weights, chooser, condition, usable }
    }

    /// Builds the roster of a cluster whose endpoints are all healthy.
    pub fn of_all(cluster: &Cluster) -> Self {
        Self::new(cluster, &Tables::new(cluster), &[])
    }

    fn down(usable: usize) -> Self {
        Self {
            usable,
            order: Box::default(),
            first: 0,
            weights: Box::default(),
            chooser: Chooser::Least(1),
            condition: Condition::Down,
        }
    }

    /// Condition of the cluster.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// Rule that picks the endpoint to try first, among the first [`Roster::first`] of [`Roster::walk`] from 0.
    pub fn rule(&self) -> PickRule<'_> {
        match &self.chooser {
            _ if self.first == 0 => PickRule::Nobody,
            Chooser::Turns(rotation) => PickRule::Turns(rotation),
            Chooser::Random(split) => PickRule::Chance(split),
            Chooser::Least(choices) => PickRule::Load { choices: *choices, weights: &self.weights },
            Chooser::Table(..) => PickRule::Client,
        }
    }

    /// Picks the place in the roster of the endpoint to try first: below [`Roster::first`], or 0 when the roster is
    /// empty.
    ///
    /// `turn` counts connections, `client` is the [`position_of`](super::hash::position_of) its address, and `load`
    /// returns the number of connections of an endpoint (by its index in the cluster).
    pub fn pick(&self, turn: u64, client: u64, load: impl Fn(usize) -> u32) -> usize {
        match &self.chooser {
            Chooser::Turns(rotation) => rotation.at(turn),
            Chooser::Random(split) => split.choose(Draw(mix(turn))).unwrap_or(0),
            Chooser::Least(choices) => least(turn, self.first, *choices, |place| {
                let load = self.order.get(place).map_or(0, |index| load(*index as usize));
                (load, self.weights.get(place).copied().unwrap_or(1))
            }),
            Chooser::Table(table, places) => {
                let may = |index: usize| places.get(index).is_some_and(|place| *place != u32::MAX);
                let index = match table {
                    Table::Ring(ring) => ring.at(client, may),
                    Table::Maglev(maglev) => maglev.at(client, may),
                };
                index.and_then(|index| places.get(index)).map_or(0, |place| *place as usize)
            }
        }
    }

    /// Indices of endpoints in the order in which to try them, beginning at a place from [`Roster::pick`]: round the
    /// active priority, then through the others.
    pub fn walk(&self, start: usize) -> impl Iterator<Item = usize> {
        let carrying = self.order.get(..self.first).unwrap_or_default();
        let rest = self.order.get(self.first..).unwrap_or_default();
        let (before, after) = carrying.split_at(start.min(carrying.len()));
        after.iter().chain(before).chain(rest).map(|index| *index as usize)
    }

    /// Number of usable endpoints of all priorities.
    pub fn usable(&self) -> usize {
        self.usable
    }

    /// Number of endpoints of the active priority that take connections.
    pub fn first(&self) -> usize {
        self.first
    }
}

/// Endpoints of one priority.
struct Level {
    tier: usize,
    range: std::ops::Range<usize>,
    usable: Vec<usize>,
}

impl Level {
    fn new(tier: usize, range: std::ops::Range<usize>, usable: impl Fn(&usize) -> bool) -> Self {
        Self { tier, usable: range.clone().filter(usable).collect(), range }
    }

    /// Returns `true` if an endpoint is usable, and at least this percentage of them.
    fn has_at_least(&self, percent: u8) -> bool {
        !self.usable.is_empty() && self.usable.len() * 100 >= self.range.len() * usize::from(percent)
    }
}

fn carrying(levels: &[Level], threshold: u8) -> Option<&Level> {
    let enough = levels.iter().find(|level| level.has_at_least(threshold));
    enough.or_else(|| {
        let some = levels.iter().filter(|level| !level.usable.is_empty());
        // the first of equal shares
        some.rev().max_by(|a, b| {
            let crosswise = |a: &Level, b: &Level| a.usable.len() * b.range.len();
            crosswise(a, b).cmp(&crosswise(b, a))
        })
    })
}

/// Weights of endpoints, in percent of a unit if one of them is in slow start.
fn weights(cluster: &Cluster, endpoints: &[usize], of: impl Fn(usize) -> Fitness) -> Box<[u32]> {
    let weight = |index: usize| cluster.endpoints.get(index).map_or(1, |endpoint| endpoint.weight.get());
    if endpoints.iter().all(|index| of(*index).warmth >= 100) {
        return endpoints.iter().map(|index| weight(*index)).collect();
    }
    let scaled = |index: &usize| weight(*index).saturating_mul(u32::from(of(*index).warmth.clamp(1, 100)));
    endpoints.iter().map(scaled).collect()
}

fn places(carrying: &Level, usable: &[usize]) -> Box<[u32]> {
    let mut places = vec![u32::MAX; carrying.range.len()];
    for (place, index) in (0u32..).zip(usable) {
        if let Some(slot) = places.get_mut(index - carrying.range.start) {
            *slot = place;
        }
    }
    places.into()
}

#[cfg(test)]
mod tests;
