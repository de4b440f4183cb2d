//! For every draw and turn a table answers as `decide` does, or leaves the connection to the relay.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

mod support;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use l4::balance::{BalancingPolicy, Draw, Fitness, Rendezvous, Roster, Split, Tables as HashTables};
use l4::config::{Backend, Cluster, Endpoint, Host, Listener, Match, Route, Target, WhenDown};
use l4::decide::{
    Addresses, Circumstances, ClusterState, ClusterStates, Decision, Facts, Forward, Refuse, Resolved,
    RouteIndex, decide,
};
use meshtcp_kernel::Capabilities;
use meshtcp_kernel::tables::{Interval, IntervalVerdict, Table};
use proptest::prelude::*;

/// Number of draws per configuration: more than a million over all configurations.
const DRAWS: usize = 1024;
const CONFIGURATIONS: u32 = 1024;

/// Clusters of a listener in their current state of health.
struct Now<'a> {
    listener: &'a Listener,
    rosters: &'a [Option<Arc<Roster>>],
    turn: u64,
    /// Number of connections of each endpoint of a cluster, by its index.
    loads: &'a [u32],
}

impl ClusterStates for Now<'_> {
    fn ask<A>(
        &self,
        _: RouteIndex,
        backend: usize,
        question: impl FnOnce(&ClusterState<'_>) -> A,
    ) -> Option<A> {
        self.listener.route_at(RouteIndex(0))?.backend_with_cluster(backend)?;
        let roster = self.rosters.get(backend)?.as_ref()?;
        let load = |endpoint: usize| self.loads.get(endpoint).copied().unwrap_or(0);
        Some(question(&ClusterState { roster, turn: self.turn, load: &load }))
    }
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        6 => any::<u8>().prop_map(|last| Host::Ip(IpAddr::from([127, 0, 0, last]))),
        1 => any::<u8>().prop_map(|last| Host::Ip(format!("fd00::{last:x}").parse().unwrap())),
        1 => Just(Host::Name("one".into())),
        1 => Just(Host::Name("three".into())),
        2 => Just(Host::Name("none".into())),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let weight = prop_oneof![4 => 1..4u32, 1 => 1..1000u32, 1 => Just(1 << 20)];
    (host(), 1..9999u16, weight, prop_oneof![4 => Just(0), 1 => 1..3u32]).prop_map(
        |(host, port, weight, priority)| Endpoint {
            host,
            port,
            weight: NonZeroU32::new(weight).unwrap(),
            priority,
            zone: "".into(),
        },
    )
}

fn fitness() -> impl Strategy<Value = Fitness> {
    let warmth = prop_oneof![6 => Just(100u8), 1 => 1..100u8];
    (prop::bool::weighted(0.75), prop::bool::weighted(0.15), warmth)
        .prop_map(|(up, ejected, warmth)| Fitness { up, ejected, warmth })
}

/// Cluster with the fitness of its endpoints.
fn cluster() -> impl Strategy<Value = (Cluster, Vec<Fitness>)> {
    let policy = prop_oneof![
        2 => Just(BalancingPolicy::RoundRobin),
        1 => Just(BalancingPolicy::Random),
        2 => (1..5u32).prop_map(BalancingPolicy::least_connections),
        1 => Just(BalancingPolicy::RingHash { size: 16..=64 }),
        1 => Just(BalancingPolicy::Maglev { size: 101 }),
    ];
    let endpoints = prop::collection::vec(endpoint(), 0..6);
    (endpoints, prop::collection::vec(fitness(), 6), policy, any::<bool>(), 0..=100u8, 0..=100u8).prop_map(
        |(endpoints, fitness, policy, fail_on_panic, panic_threshold, failover_threshold)| {
            let cluster = Cluster {
                policy,
                fail_on_panic,
                panic_threshold,
                failover_threshold,
                ..Cluster::new("cluster", endpoints)
            };
            (cluster, fitness)
        },
    )
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 4 => 1..20u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

type Side = (Backend, Option<Arc<Roster>>);

fn side() -> impl Strategy<Value = Side> {
    let when_down = prop_oneof![Just(WhenDown::Refuse), Just(WhenDown::Spill)];
    (prop::option::weighted(0.9, cluster()), weight(), when_down).prop_map(|(cluster, weight, when_down)| {
        let (target, roster) = match cluster {
            None => (Target::Unavailable("nowhere".into()), None),
            Some((cluster, fitness)) => {
                let roster = Roster::new(&cluster, &HashTables::new(&cluster), &fitness);
                (Target::Cluster(Arc::new(cluster)), Some(Arc::new(roster)))
            }
        };
        (Backend { reference: "backend".into(), weight, target, when_down }, roster)
    })
}

fn listener(backends: Vec<Backend>, is_sticky: bool) -> Listener {
    let sticky = backends.iter().map(|backend| (&*backend.reference, backend.weight));
    let sticky = is_sticky.then(|| Rendezvous::new(sticky));
    let split = Split::new(backends.iter().map(|backend| backend.weight));
    let route = Route { split, backends, sticky, ..support::route() };
    Listener { routes: vec![(Match::Everything, Arc::new(route))], ..support::listener() }
}

fn addresses() -> Addresses {
    let known = |addresses: &[&str]| {
        Resolved::Known(addresses.iter().map(|address| address.parse().unwrap()).collect())
    };
    let names = [
        ("one".into(), known(&["127.0.1.1"])),
        ("three".into(), known(&["127.0.2.1", "127.0.2.2", "127.0.2.3"])),
        ("none".into(), Resolved::Failed("cannot be resolved".into())),
    ];
    names.into_iter().collect()
}

/// Draws next to the ends of intervals, where errors are likely, and others.
fn draws(table: &Table, seed: u64) -> Vec<u64> {
    let ends = table.intervals.iter().map(|interval| interval.end);
    let mut draws: Vec<u64> = ends.flat_map(|end| [end.wrapping_sub(1), end, end.wrapping_add(1)]).collect();
    let walk = std::iter::successors(Some(seed), |draw| Some(draw.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    draws.extend(walk.take(DRAWS.saturating_sub(draws.len())));
    draws
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CONFIGURATIONS, ..ProptestConfig::default() })]

    #[test]
    fn a_table_chooses_as_decide_does(
        sides in prop::collection::vec(side(), 0..6), seed in any::<u64>(), first_turn in 0..1u64 << 56,
        is_sticky in prop::bool::weighted(0.2), loads in prop::collection::vec(0..9u32, 6),
    ) {
        let (backends, rosters): (Vec<Backend>, Vec<Option<Arc<Roster>>>) = sides.into_iter().unzip();
        let clusters: Vec<(Arc<Cluster>, Arc<Roster>)> = backends
            .iter()
            .zip(&rosters)
            .filter_map(|(backend, roster)| match (&backend.target, roster) {
                (Target::Cluster(cluster), Some(roster)) => Some((Arc::clone(cluster), Arc::clone(roster))),
                (Target::Cluster(_) | Target::Unavailable(_), _) => None,
            })
            .collect();
        let roster_of = |wanted: &Arc<Cluster>| {
            let found = clusters.iter().find(|(cluster, _)| Arc::ptr_eq(cluster, wanted));
            Arc::clone(&found.unwrap().1)
        };
        let (listener, addresses) = (listener(backends, is_sticky), addresses());
        let table = Table::of(&listener, roster_of, &addresses, Capabilities::ALL);
        prop_assert!(table.is_ok(), "{table:?}");
        let table = table.unwrap();
        let facts = Facts { client: "127.0.0.1:1".parse().unwrap(), server_name: None, destination: None };
        for (step, draw) in (0..).zip(draws(&table, seed)) {
            let turn = first_turn + step;
            let now = Now { listener: &listener, rosters: &rosters, turn, loads: &loads };
            let circumstances = Circumstances { draw: Draw(draw), standings: &now, addresses: &addresses };
            let decision = decide(&facts, &listener, &circumstances);
            let number = table.choose(Draw(draw));
            let Interval { end: _, first_backend, backend, verdict } = &table.intervals[number];
            match (verdict, decision) {
                (IntervalVerdict::Go(turns), Decision::Forward(forward)) => {
                    let Forward { backend: chosen, endpoint, .. } = forward;
                    prop_assert_eq!(
                        (*backend, *first_backend),
                        (Some(chosen), Some(forward.first_backend())),
                        "{:016x}", draw
                    );
                    if let Some(dialled) = turns.dial(turn, |endpoint| loads.get(endpoint).copied().unwrap_or(0)) {
                        prop_assert_eq!(dialled, (endpoint.endpoint, endpoint.address));
                    }
                }
                (IntervalVerdict::Refuse(reason, why), Decision::Refuse(refuse)) => {
                    let Refuse { reason: refused, backend: chosen, why: said, route: _ } = refuse;
                    prop_assert_eq!((*reason, *backend, why), (refused, chosen, &said));
                }
                (IntervalVerdict::Relay, Decision::Forward(forward)) => {
                    prop_assert_eq!(*backend, Some(forward.backend));
                }
                (verdict, decision) => prop_assert!(false, "{verdict:?} for {decision:?}"),
            }
        }
    }
}
