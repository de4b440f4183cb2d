//! Listeners that lead back to themselves: each connection to one would open another, without end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::Tags;

use crate::plan::{Backend, Cluster, Direction, Fate, Listener};

/// A word about each outbound or gateway listener from which connections come back to it, over however many others of the same
/// proxy.
pub(super) fn remarks(listeners: &[Arc<Listener>], clusters: &BTreeMap<String, Cluster>) -> Vec<String> {
    let by_port = by_port(listeners);
    let next = |at: usize| {
        let listener = listeners.get(at).into_iter();
        let splits = listener.flat_map(|listener| listener.routes()).flat_map(|route| &route.split);
        let endpoints =
            splits.filter(|backend| backend.weight > 0).flat_map(|backend| reached(backend, clusters));
        let led_to: BTreeSet<usize> = endpoints
            .flat_map(|(address, port)| {
                let there = by_port.get(&port).into_iter().flatten();
                there.filter(move |at| {
                    listeners.get(**at).is_some_and(|it| answers(&it.bind.address, address))
                })
            })
            .copied()
            .collect();
        led_to
    };
    let leads_to: Vec<BTreeSet<usize>> = (0..listeners.len()).map(next).collect();
    let told = listeners.iter().enumerate().filter(|(at, listener)| {
        let is_dialled = match listener.direction {
            Direction::Outbound(_) | Direction::Gateway => true,
            Direction::Inbound | Direction::Zone => false,
        };
        is_dialled && comes_back(*at, &leads_to)
    });
    told.map(|(_, listener)| {
        let bind = &listener.bind;
        format!(
            "{} leads back to itself: an endpoint of what is dialled there is {}:{} again, so connections to it are refused, or go \
             round without end",
            listener.name, bind.address, bind.port
        )
    })
    .collect()
}

/// The listeners on each port, by their place.
fn by_port(listeners: &[Arc<Listener>]) -> BTreeMap<u32, Vec<usize>> {
    let mut by_port: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, listener) in listeners.iter().enumerate() {
        by_port.entry(listener.bind.port.into()).or_default().push(at);
    }
    by_port
}

/// The addresses that connections of a backend may go to.
fn reached<'a>(
    backend: &'a Backend,
    clusters: &'a BTreeMap<String, Cluster>,
) -> impl Iterator<Item = (&'a str, u32)> {
    let (name, subset): (Option<&String>, Option<&Tags>) = match &backend.fate {
        Fate::Routed { cluster, subset } => (Some(cluster), Some(subset)),
        Fate::Spilled(_) | Fate::Refused(_) => (None, None),
    };
    let cluster = name.and_then(|name| clusters.get(name)).into_iter();
    // without a zone egress it is dialled directly
    let endpoints = cluster.flat_map(|cluster| {
        cluster.endpoints.iter().chain(cluster.direct.iter().flat_map(|it| &it.endpoints))
    });
    let is_meant = move |tags: &Tags| {
        subset.is_none_or(|subset| subset.iter().all(|(key, value)| tags.get(key) == Some(value)))
    };
    endpoints.filter(move |endpoint| is_meant(&endpoint.tags)).map(|it| (it.address.as_str(), it.port))
}

/// Whether a listener on one address is who answers at another, on the same port and the same host.
fn answers(bound: &str, dialled: &str) -> bool {
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    let everywhere = ip(bound).is_some_and(|bound| bound.is_unspecified());
    let here = ip(dialled).is_some_and(|dialled| dialled.is_loopback() || dialled.is_unspecified());
    bound == dialled || everywhere && here
}

/// Whether a listener is reached from itself.
fn comes_back(start: usize, leads_to: &[BTreeSet<usize>]) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in leads_to.get(at).into_iter().flatten().copied() {
            if next == start {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_however_long_and_a_path_that_ends_is_none() {
        let leads_to =
            [&[1][..], &[2], &[1, 3], &[], &[4]].map(|next| BTreeSet::from_iter(next.iter().copied()));
        let circles: Vec<usize> = (0..leads_to.len()).filter(|at| comes_back(*at, &leads_to)).collect();
        assert_eq!(circles, [1, 2, 4]);
    }

    #[test]
    fn a_wildcard_answers_on_this_host_and_an_address_for_itself() {
        assert!(answers("127.0.0.1", "127.0.0.1") && answers("0.0.0.0", "127.0.0.1") && answers("::", "::1"));
        assert!(
            !answers("127.0.0.1", "127.0.0.2")
                && !answers("0.0.0.0", "10.0.0.1")
                && !answers("10.0.0.1", "db")
        );
    }
}
