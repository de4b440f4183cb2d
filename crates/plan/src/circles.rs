//! Circles of listeners: listeners that lead back to themselves, so that each connection to one would open another
//! without end.
//!
//! A circle may be closed within one proxy, or lead over the applications and endpoints of several.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::Tags;

use crate::plan::{Backend, BackendFate, Cluster, Direction, Listener, Plan};

/// Limit on the number of listeners among which circles over several proxies are looked for, so that the search
/// takes no noticeable time.
const LOOKED_AT: usize = 200_000;

/// Proxy as the search for circles sees it.
#[derive(Clone, Copy, Debug)]
pub struct ProxyListeners<'a> {
    /// Address of its host.
    pub host: &'a str,
    /// Listeners of the proxy.
    pub listeners: &'a [Arc<Listener>],
    /// Clusters of the proxy, by name.
    pub clusters: &'a BTreeMap<String, Arc<Cluster>>,
}

impl<'a> ProxyListeners<'a> {
    /// The proxy of a plan.
    pub fn of(plan: &'a Plan) -> Self {
        let Plan { proxy, listeners, clusters, .. } = plan;
        Self { host: &proxy.address, listeners, clusters }
    }
}

/// A listener among several places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stop {
    /// Index of the place.
    pub place: usize,
    /// Index of the listener.
    pub listener: usize,
}

/// Returns the circles that connections to outbounds and gateway listeners go in, each once: the stops from one
/// such listener until it would be next again. Costs one look at each cluster where no dialled address is a
/// listener's own, the common case; finds none among more than 200,000 listeners.
pub fn circles(places: &[ProxyListeners<'_>]) -> Vec<Vec<Stop>> {
    let listeners: usize = places.iter().map(|place| place.listeners.len()).sum();
    if listeners > LOOKED_AT || !comes_in_again(places) {
        return Vec::new();
    }
    let stops: Vec<Stop> = places
        .iter()
        .enumerate()
        .flat_map(|(place, it)| (0..it.listeners.len()).map(move |listener| Stop { place, listener }))
        .collect();
    let by_port = by_port(places, &stops);
    let leads_to: Vec<BTreeSet<usize>> =
        stops.iter().map(|stop| led_to(*stop, places, &stops, &by_port)).collect();
    let mut found: Vec<Vec<Stop>> = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for start in on_circles(&leads_to) {
        let is_door = is_door(places, stops[start]);
        if !is_door || told.contains(&start) {
            continue;
        }
        if let Some(circle) = way_back(start, &leads_to) {
            told.extend(&circle);
            found.push(circle.into_iter().map(|at| stops[at]).collect());
        }
    }
    found
}

/// Returns a remark about each outbound or gateway listener of a proxy from which connections come back to it, over
/// any number of other listeners of the same proxy.
pub(crate) fn remarks(place: ProxyListeners<'_>) -> Vec<String> {
    let found = circles(&[place]).into_iter().flatten();
    let doors =
        found.filter(|stop| is_door(&[place], *stop)).filter_map(|stop| place.listeners.get(stop.listener));
    doors
        .map(|listener| {
            let bind = &listener.bind;
            format!(
                "{} leads back to itself: an endpoint of what is dialled there is {}:{} again, so connections to it are refused, or \
                 go round without end",
                listener.name, bind.address, bind.port
            )
        })
        .collect()
}

/// Returns `true` if the listener at a stop is dialled by applications and dials on.
fn is_door(places: &[ProxyListeners<'_>], stop: Stop) -> bool {
    let listener = places.get(stop.place).and_then(|place| place.listeners.get(stop.listener));
    listener.is_some_and(|listener| match listener.direction {
        // a proxy cannot dial what the kernel redirects
        Direction::Outbound(_) | Direction::Gateway => !listener.bind.captured,
        Direction::Inbound | Direction::Zone => false,
    })
}

/// Returns `true` if some endpoint has the address and port of a listener that is dialled and dials on.
fn comes_in_again(places: &[ProxyListeners<'_>]) -> bool {
    let mut doors: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for (at, place) in places.iter().enumerate() {
        for (listener, it) in place.listeners.iter().enumerate() {
            if is_door(places, Stop { place: at, listener }) {
                doors.entry(it.bind.port.into()).or_default().insert(&it.bind.address);
            }
        }
    }
    let mut seen = BTreeSet::new();
    let clusters = places.iter().flat_map(|place| place.clusters.values());
    // most proxies share most of them
    let mut clusters = clusters.filter(|cluster| seen.insert(Arc::as_ptr(cluster)));
    clusters.any(|cluster| {
        endpoints(cluster, None).any(|(address, port)| {
            let bound = doors.get(&port);
            bound.is_some_and(|bound| bound.iter().any(|bound| answers(bound, address)))
        })
    })
}

/// Groups the stops by port and place.
fn by_port(places: &[ProxyListeners<'_>], stops: &[Stop]) -> BTreeMap<u32, Vec<usize>> {
    let mut by_port: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, stop) in stops.iter().enumerate() {
        let listener = places.get(stop.place).and_then(|place| place.listeners.get(stop.listener));
        if let Some(bind) = listener.map(|listener| &listener.bind).filter(|bind| !bind.captured) {
            by_port.entry(bind.port.into()).or_default().push(at);
        }
    }
    by_port
}

/// Returns the stops that connections lead to from one stop.
fn led_to(
    stop: Stop,
    places: &[ProxyListeners<'_>],
    stops: &[Stop],
    by_port: &BTreeMap<u32, Vec<usize>>,
) -> BTreeSet<usize> {
    let Some(place) = places.get(stop.place) else { return BTreeSet::new() };
    let listener = place.listeners.get(stop.listener).into_iter();
    let splits = listener.flat_map(|listener| listener.routes()).flat_map(|route| &route.split);
    let endpoints =
        splits.filter(|backend| backend.weight > 0).flat_map(|backend| reached(backend, place.clusters));
    let there = endpoints.flat_map(|(address, port)| {
        let there = by_port.get(&port).into_iter().flatten().copied();
        there.filter(move |at| {
            let Stop { place: at, listener } = stops[*at];
            let bound = &places[at].listeners[listener].bind.address;
            // a loopback address differs by host; proxies that have one are all on this host
            let (here, there) = (place.host, places[at].host);
            let is_here = at == stop.place || here == there || is_loopback(here) && is_loopback(there);
            answers(bound, address) && (is_here || !is_loopback(address))
        })
    });
    there.collect()
}

/// Returns the addresses that connections of a backend may go to.
fn reached<'a>(
    backend: &'a Backend,
    clusters: &'a BTreeMap<String, Arc<Cluster>>,
) -> impl Iterator<Item = (&'a str, u32)> {
    let (name, subset): (Option<&String>, Option<&Tags>) = match &backend.fate {
        BackendFate::Routed { cluster, subset } => (Some(cluster), Some(subset)),
        BackendFate::Spilled(_) | BackendFate::Refused(_) => (None, None),
    };
    let cluster = name.and_then(|name| clusters.get(name)).into_iter();
    cluster.flat_map(move |cluster| endpoints(cluster, subset))
}

/// Endpoints of a cluster that have some tags, including those dialled directly where there is no zone egress.
fn endpoints<'a>(cluster: &'a Cluster, subset: Option<&'a Tags>) -> impl Iterator<Item = (&'a str, u32)> {
    let all = cluster.endpoints.iter().chain(cluster.direct.iter().flat_map(|it| &it.endpoints));
    let is_meant = move |tags: &Tags| {
        subset.is_none_or(|subset| subset.iter().all(|(key, value)| tags.get(key) == Some(value)))
    };
    all.filter(move |endpoint| is_meant(&endpoint.tags)).map(|it| (it.address.as_str(), it.port))
}

/// Returns `true` if a listener on one address answers connections dialled at another, on the same port and host.
fn answers(bound: &str, dialled: &str) -> bool {
    let everywhere = bound.parse().is_ok_and(|bound: IpAddr| bound.is_unspecified());
    bound == dialled || everywhere && is_loopback(dialled)
}

fn is_loopback(address: &str) -> bool {
    address.parse().is_ok_and(|address: IpAddr| address.is_loopback() || address.is_unspecified())
}

/// Returns the stops that may be on a circle: those that lead nowhere, and those that nothing leads to, are removed
/// until none is left.
fn on_circles(leads_to: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut left: BTreeSet<usize> = (0..leads_to.len()).collect();
    loop {
        let reached: BTreeSet<usize> =
            left.iter().filter_map(|at| leads_to.get(*at)).flatten().copied().collect();
        let (before, leads_on) =
            (left.len(), |at: &usize| leads_to.get(*at).is_some_and(|next| !next.is_disjoint(&left)));
        let still: BTreeSet<usize> =
            left.iter().filter(|at| reached.contains(at) && leads_on(at)).copied().collect();
        left = still;
        if left.len() == before {
            return left;
        }
    }
}

/// Returns the shortest way from a stop to itself, without its end; `None`: there is none.
fn way_back(start: usize, leads_to: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for next in leads_to.get(at).into_iter().flatten().copied() {
            if next == start {
                let mut way = vec![at];
                while let Some(before) =
                    way.last().filter(|last| **last != start).and_then(|last| from.get(last))
                {
                    way.push(*before);
                }
                way.reverse();
                return Some(way);
            }
            if next != start && !from.contains_key(&next) {
                from.insert(next, at);
                open.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(leads_to: &[&[usize]]) -> Vec<Option<Vec<usize>>> {
        let leads_to: Vec<BTreeSet<usize>> =
            leads_to.iter().map(|next| next.iter().copied().collect()).collect();
        let may = on_circles(&leads_to);
        let way = |at| may.contains(&at).then(|| way_back(at, &leads_to)).flatten();
        (0..leads_to.len()).map(way).collect()
    }

    #[test]
    fn a_circle_is_found_however_long_and_a_path_that_ends_is_none() {
        let found = ways(&[&[1], &[2], &[1, 3], &[], &[4]]);
        assert_eq!(found, [None, Some(vec![1, 2]), Some(vec![2, 1]), None, Some(vec![4])]);
    }

    #[test]
    fn what_lies_between_two_circles_is_on_none() {
        let found = ways(&[&[0, 1], &[2], &[2]]);
        assert_eq!(found, [Some(vec![0]), None, Some(vec![2])]);
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
