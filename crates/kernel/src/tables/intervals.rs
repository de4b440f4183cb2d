//! Backend of each draw, and the verdict there.

use std::sync::Arc;

use l4::balance::hash::position_of;
use l4::balance::{Draw, Rendezvous, Roster, Split};
use l4::config::{Cluster, Listener, Route, Target, WhenDown};
use l4::decide::{Addresses, RefusalReason};

use super::INTERVALS;
use super::turns::{Turns, last_below};
use crate::path::{Capabilities, Reason, client_of, route_in_kernel};

/// Route of a listener as intervals of draws, in their order; at least one, and the last ends at the largest draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Intervals, at most [`INTERVALS`].
    pub intervals: Vec<Interval>,
    /// `true`: the table is that of clients with the usual address on loopback, since the choice depends on the client.
    pub by_client: bool,
}

/// Draws after the end of the previous interval, up to its own end.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Last draw that falls on it.
    pub end: u64,
    /// Index of the backend that was drawn; `None`: there is none to choose.
    pub first_backend: Option<usize>,
    /// Index of the backend that takes it, or whose share is refused; `None`: there is none.
    pub backend: Option<usize>,
    /// Verdict on a connection.
    pub verdict: IntervalVerdict,
}

/// Verdict on a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum IntervalVerdict {
    /// It goes to the endpoint whose turn it is.
    Go(Arc<Turns>),
    /// It is refused, for a reason as a word and in words.
    Refuse(RefusalReason, Arc<str>),
    /// The relay decides: the endpoints that take connections have no address, and others may.
    Relay,
}

/// Behaviour of a backend for its share.
enum Side {
    Takes(IntervalVerdict),
    Refuses(RefusalReason, Arc<str>, WhenDown),
}

impl Table {
    /// Builds the table of a listener with the current `rosters` of its clusters.
    ///
    /// # Errors
    /// Reason for which the relay carries its connections.
    pub fn of(
        listener: &Listener,
        rosters: impl Fn(&Arc<Cluster>) -> Arc<Roster>,
        addresses: &Addresses,
        means: Capabilities,
    ) -> Result<Self, Reason> {
        let route = route_in_kernel(listener, means)?;
        let sides = route.backends.iter().map(|backend| match &backend.target {
            Target::Unavailable(why) => {
                // its share never moves to another backend
                Ok(Side::Refuses(RefusalReason::BackendUnavailable, Arc::clone(why), WhenDown::Refuse))
            }
            Target::Cluster(cluster) => {
                side((listener, cluster), &rosters(cluster), backend.when_down, addresses)
            }
        });
        let sides: Vec<Side> = sides.collect::<Result<_, _>>()?;
        let intervals = match (&route.sticky, client_of(listener)) {
            (Some(sticky), Some(client)) => vec![of_client(route, &sides, sticky, position_of(client))],
            (Some(_) | None, _) => intervals(route, &sides),
        };
        if intervals.len() > INTERVALS {
            return Err(Reason::Backends);
        }
        let by_client = route.sticky.is_some() || listener.clusters().any(|it| it.policy.is_by_client());
        Ok(Self { intervals, by_client })
    }

    /// Index of the interval that a draw falls on.
    pub fn choose(&self, Draw(draw): Draw) -> usize {
        self.intervals.partition_point(|interval| interval.end < draw)
    }
}

fn side(
    (listener, cluster): (&Listener, &Arc<Cluster>),
    roster: &Roster,
    when_down: WhenDown,
    addresses: &Addresses,
) -> Result<Side, Reason> {
    let needs_relay = |why| Reason::Cluster(Arc::clone(&cluster.name), why);
    if let Some(why) = crate::path::of_cluster(cluster, listener) {
        return Err(needs_relay(why));
    }
    if cluster.walk(roster, 0, 0, addresses, None).next().is_none() {
        let (reason, why) = cluster.why_not(roster, addresses);
        return Ok(Side::Refuses(reason, why, when_down));
    }
    let turns = Turns::of(cluster, listener, roster, addresses).map_err(needs_relay)?;
    Ok(Side::Takes(if turns.is_idle() {
        IntervalVerdict::Relay
    } else {
        IntervalVerdict::Go(Arc::new(turns))
    }))
}

/// Single interval of a client that keeps its backend.
fn of_client(route: &Route, sides: &[Side], sticky: &Rendezvous, position: u64) -> Interval {
    let whole = |first, backend, verdict| Interval {
        end: u64::MAX,
        first_backend: Some(first),
        backend: Some(backend),
        verdict,
    };
    let Some((first, side)) =
        sticky.choose(position, |_| true).and_then(|first| Some((first, sides.get(first)?)))
    else {
        return nowhere(route);
    };
    match side {
        Side::Takes(verdict) => whole(first, first, verdict.clone()),
        Side::Refuses(reason, why, WhenDown::Refuse) => {
            whole(first, first, IntervalVerdict::Refuse(*reason, Arc::clone(why)))
        }
        Side::Refuses(reason, why, WhenDown::Spill) => {
            // only the first 32 backends can take another's share
            let takes = |index: usize| index < 32 && matches!(sides.get(index), Some(Side::Takes(_)));
            let other = sticky.choose(position, |index| index != first && takes(index));
            match other.and_then(|other| Some((other, sides.get(other)?))) {
                Some((other, Side::Takes(verdict))) => whole(first, other, verdict.clone()),
                Some((_, Side::Refuses(..))) | None => {
                    let why = format!("{why}; no other backend can take its share").into();
                    whole(first, first, IntervalVerdict::Refuse(*reason, why))
                }
            }
        }
    }
}

fn nowhere(route: &Route) -> Interval {
    let verdict = IntervalVerdict::Refuse(RefusalReason::NoBackend, Arc::clone(&route.refusal));
    Interval { end: u64::MAX, first_backend: None, backend: None, verdict }
}

fn intervals(route: &Route, sides: &[Side]) -> Vec<Interval> {
    let total = u128::from(route.split.total());
    if total == 0 {
        return vec![nowhere(route)];
    }
    let mut intervals = Vec::new();
    let mut start = 0;
    for (index, side) in sides.iter().enumerate() {
        let width = u128::from(route.split.weight(index));
        if width == 0 {
            continue;
        }
        let whole = |verdict| Interval {
            end: last_below(start + width, total),
            first_backend: Some(index),
            backend: Some(index),
            verdict,
        };
        match side {
            Side::Takes(verdict) => intervals.push(whole(verdict.clone())),
            Side::Refuses(reason, why, WhenDown::Refuse) => {
                intervals.push(whole(IntervalVerdict::Refuse(*reason, Arc::clone(why))));
            }
            Side::Refuses(reason, why, WhenDown::Spill) => {
                let spilt = spilt(&route.split, sides, index, start);
                if spilt.is_empty() {
                    let why = format!("{why}; no other backend can take its share").into();
                    intervals.push(whole(IntervalVerdict::Refuse(*reason, why)));
                }
                intervals.extend(spilt);
            }
        }
        start += width;
    }
    intervals
}

/// Interval of `first`, which begins at `start`, divided among the backends that can take its share, of the first 32:
/// the inverse of [`Split::instead_of`].
fn spilt(split: &Split, sides: &[Side], first: usize, start: u128) -> Vec<Interval> {
    let others = || {
        sides.iter().enumerate().take(32).filter_map(|(index, side)| match (side, split.weight(index)) {
            (Side::Takes(verdict), weight) if index != first && weight > 0 => {
                Some((index, u128::from(weight), verdict))
            }
            (Side::Takes(_) | Side::Refuses(..), _) => None,
        })
    };
    let all: u128 = others().map(|(_, weight, _)| weight).sum();
    let (total, width) = (u128::from(split.total()), u128::from(split.weight(first)));
    let mut taken = 0;
    others()
        .map(|(index, weight, verdict)| {
            taken += weight;
            // the first draw whose place within the interval, scaled to all draws, is past this part of the others
            let within = (taken << 64).div_ceil(all);
            let first_after = ((start << 64) + within * width).div_ceil(total);
            let end = u64::try_from(first_after.saturating_sub(1)).unwrap_or(u64::MAX);
            Interval { end, first_backend: Some(first), backend: Some(index), verdict: verdict.clone() }
        })
        .collect()
}
