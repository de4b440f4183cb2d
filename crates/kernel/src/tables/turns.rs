//! Turns of the endpoints of a cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use l4::balance::hash::mix;
use l4::balance::hash::position_of;
use l4::balance::{PickRule, Roster, least};
use l4::config::{Cluster, Host, Listener};
use l4::decide::{Addresses, Resolved};

use super::{ADDRESSES, PLACES, STEPS};
use crate::path::{OfCluster, client_of, of_cluster};

/// Endpoints of a cluster that take connections, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Turns {
    /// Cluster of the endpoints.
    pub cluster: Arc<Cluster>,
    /// Mapping of a turn to a place.
    pub order: Order,
    /// Places: at least one, at most [`PLACES`].
    pub places: Vec<EndpointTurn>,
}

/// Mapping of a turn to a position, which falls on the first place whose end is not before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Round-robin: position `turn × stride` on a circle.
    Round {
        /// Length of the circle: below 2³².
        total: u64,
        /// Distance of successive turns; below `total`.
        stride: u64,
    },
    /// Random: turns are scattered over all 64 bits.
    Chance,
    /// Least-request: of the drawn places, the one with the fewest connections for its weight, which is its end.
    Load {
        /// Number of places that are drawn: at most [`STEPS`].
        choices: usize,
    },
    /// Always the first place: the client's own.
    First,
}

/// Endpoint that takes turns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointTurn {
    /// Last position of its own; for [`Order::Load`] its weight.
    pub end: u64,
    /// Index in the cluster.
    pub endpoint: usize,
    /// Addresses, which take turns, too; empty: the place is passed over.
    pub addresses: Vec<SocketAddr>,
}

impl Turns {
    /// Builds the turns of a listener's cluster in its current state.
    ///
    /// # Errors
    /// Reason why the cluster needs the relay.
    pub(super) fn of(
        cluster: &Arc<Cluster>,
        listener: &Listener,
        roster: &Roster,
        addresses: &Addresses,
    ) -> Result<Self, OfCluster> {
        if let Some(why) = of_cluster(cluster, listener) {
            return Err(why);
        }
        let mut first = 0;
        let (order, ends): (Order, Vec<u64>) = match roster.rule() {
            PickRule::Turns(rotation) => {
                let total = rotation.ends().last().copied().unwrap_or(0);
                if total > u64::from(u32::MAX) {
                    return Err(OfCluster::Endpoints);
                }
                let stride = rotation.stride().checked_rem(total).unwrap_or(0);
                let ends = rotation.ends().iter().map(|end| end - 1).collect();
                (Order::Round { total, stride }, ends)
            }
            PickRule::Chance(split) => {
                let total = u128::from(split.total()).max(1);
                let mut sum = 0;
                let ends = (0..roster.first()).map(|place| {
                    sum += u128::from(split.weight(place));
                    last_below(sum, total)
                });
                (Order::Chance, ends.collect())
            }
            PickRule::Load { choices, weights } => {
                (Order::Load { choices }, weights.iter().map(|weight| u64::from(*weight)).collect())
            }
            PickRule::Client => {
                let client = client_of(listener).ok_or(OfCluster::Client)?;
                first = roster.pick(0, position_of(client), |_| 0);
                (Order::First, (0..roster.first() as u64).collect())
            }
            PickRule::Nobody => return Err(OfCluster::Endpoints),
        };
        let places = ends.into_iter().zip(roster.walk(first)).map(|(end, endpoint)| EndpointTurn {
            end,
            endpoint,
            addresses: addresses_of(cluster, endpoint, addresses),
        });
        let places: Vec<EndpointTurn> = places.collect();
        let all: usize = places.iter().map(|place| place.addresses.len()).sum();
        if places.len() > PLACES || all > ADDRESSES {
            return Err(OfCluster::Endpoints);
        }
        Ok(Self { cluster: Arc::clone(cluster), order, places })
    }

    /// Returns `true` if no place has an address to dial.
    pub(super) fn is_idle(&self) -> bool {
        self.places.iter().all(|place| place.addresses.is_empty())
    }

    /// Index of the place whose turn it is; `load` returns the number of connections of an endpoint, by its index in
    /// the cluster.
    pub fn at(&self, turn: u64, load: impl Fn(usize) -> u32) -> usize {
        let position = match self.order {
            Order::Round { total, stride } => (turn % total.max(1)) * stride % total.max(1),
            Order::Chance => mix(turn),
            Order::Load { choices } => {
                return least(turn, self.places.len(), choices, |place| {
                    let busy = self.places.get(place).map(|place| (load(place.endpoint), place.end as u32));
                    busy.unwrap_or((0, 1))
                });
            }
            Order::First => 0,
        };
        self.places.partition_point(|place| place.end < position)
    }

    /// Index and address of the endpoint to dial, if none is held; `None`: the connection is left to the relay.
    pub fn dial(&self, turn: u64, load: impl Fn(usize) -> u32) -> Option<(usize, SocketAddr)> {
        let (before, after) = self.places.split_at(self.at(turn, load).min(self.places.len()));
        let mut walk = after.iter().chain(before).take(STEPS);
        walk.find_map(|place| {
            let at = turn.checked_rem(place.addresses.len() as u64)?;
            Some((place.endpoint, *place.addresses.get(at as usize)?))
        })
    }
}

/// Last position of 2⁶⁴ that falls below `part` of `total`, where positions are scaled to `total`.
pub(super) fn last_below(part: u128, total: u128) -> u64 {
    let first_after = (part << 64).div_ceil(total);
    u64::try_from(first_after.saturating_sub(1)).unwrap_or(u64::MAX)
}

fn addresses_of(cluster: &Cluster, endpoint: usize, addresses: &Addresses) -> Vec<SocketAddr> {
    let Some(endpoint) = cluster.endpoints.get(endpoint) else { return Vec::new() };
    match &endpoint.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, endpoint.port)],
        Host::Name(name) => match addresses.get(name) {
            Some(Resolved::Known(known)) => {
                known.iter().map(|ip| SocketAddr::new(*ip, endpoint.port)).collect()
            }
            Some(Resolved::Failed(_)) | None => Vec::new(),
        },
        Host::Original => Vec::new(),
    }
}
