//! Laws of deciding, on small random listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

extern crate meshtcp_l4 as l4;

mod support;

use std::net::SocketAddr;

use l4::balance::Draw;
use l4::config::{Listener, Match, Target};
use l4::decide::{
    Addresses, AllWell, Circumstances, Decision, Facts, RefusalReason, Resolved, RouteIndex, decide_again,
};
use l4::{Config, decide};
use proptest::prelude::*;
use support::Mesh;
use xds::proto::l4 as message;

/// Patterns of server names.
const NAMES: [&str; 7] = ["a", "b", "c", "a.x", "*.x", "*.a.x", "*"];

/// A backend: a weight, whether it has a cluster, and its endpoints: whether one is a name, and its priority.
type RandomBackend = (u32, bool, Vec<(bool, u32)>);

fn backends() -> impl Strategy<Value = Vec<RandomBackend>> {
    let weight = prop_oneof![Just(0), Just(1), Just(u32::MAX), 0..50u32];
    prop::collection::vec(
        (weight, any::<bool>(), prop::collection::vec((any::<bool>(), 0..3u32), 0..4)),
        0..5,
    )
}

fn config(backends: &[RandomBackend]) -> Config {
    mesh(backends).config()
}

fn mesh(backends: &[RandomBackend]) -> Mesh {
    let mut mesh = Mesh::new(SocketAddr::from(([127, 0, 0, 1], 1)));
    for (index, (weight, has_cluster, endpoints)) in backends.iter().enumerate() {
        mesh = mesh.backend(&format!("b{index}"), *weight, &[]);
        if !has_cluster {
            mesh.route.backends[index].cluster.clear();
        }
        let endpoints = endpoints.iter().enumerate().map(|(port, (is_name, priority))| message::Endpoint {
            address: if *is_name { "unknown.test".into() } else { "10.0.0.1".into() },
            port: port as u32 + 1,
            priority: *priority,
            ..Default::default()
        });
        mesh.clusters[index].1.endpoints = endpoints.collect();
    }
    mesh
}

const FACTS: Facts<'_> = Facts {
    client: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9),
    server_name: None,
    destination: None,
};

fn decide_once(listener: &Listener, draw: u64, turn: u64, addresses: &Addresses) -> Decision {
    let standings = AllWell { listener, turn };
    decide(&FACTS, listener, &Circumstances { draw: Draw(draw), standings: &standings, addresses })
}

proptest! {
    #[test]
    fn a_decision_is_repeatable_and_says_the_truth(backends in backends(), draw in any::<u64>(), seed in any::<u64>()) {
        let config = config(&backends);
        let listener = &config.listeners()[0];
        let addresses = Addresses::default();
        let decision = decide_once(listener, draw, seed, &addresses);
        prop_assert_eq!(&decision, &decide_once(listener, draw, seed, &addresses));
        let usable = |index: usize| {
            let (_, has_cluster, endpoints) = &backends[index];
            *has_cluster && endpoints.iter().any(|(is_name, _)| !is_name)
        };
        match decision {
            Decision::Forward(forward) => {
                prop_assert!(backends[forward.backend].0 > 0 && usable(forward.backend));
                let route = listener.route_at(forward.route).unwrap();
                let Target::Cluster(cluster) = &route.backends[forward.backend].target else { panic!("no cluster") };
                let chosen = &cluster.endpoints[forward.endpoint.endpoint];
                let lowest = cluster.endpoints.iter().filter(|endpoint| endpoint.to_string().starts_with("10."));
                prop_assert_eq!(chosen.priority, lowest.map(|endpoint| endpoint.priority).min().unwrap());
                prop_assert_eq!(chosen.port, forward.endpoint.address.port());
            }
            Decision::Refuse(refuse) => match refuse.reason {
                RefusalReason::NoBackend => prop_assert!(backends.iter().all(|(weight, ..)| *weight == 0)),
                RefusalReason::BackendUnavailable => prop_assert!(!usable(refuse.backend.unwrap())),
                RefusalReason::BackendDown => prop_assert!(false, "nothing is checked"),
                RefusalReason::NoServerName => prop_assert!(false, "there are no server names"),
            },
        }
    }

    #[test]
    fn attempts_walk_through_all_usable_endpoints_before_one_comes_again(
        backends in backends(),
        draw in any::<u64>(),
        seed in 0..u64::MAX / 2,
    ) {
        let mut mesh = mesh(&backends);
        mesh.listener.max_connect_attempts = 20;
        let config = mesh.config();
        let listener = &config.listeners()[0];
        let known = Resolved::Known(vec![[10, 0, 0, 2].into()]);
        let addresses: Addresses = [("unknown.test".into(), known)].into_iter().collect();
        if let Decision::Forward(forward) = decide_once(listener, draw, seed, &addresses) {
            prop_assert_eq!(forward.route, RouteIndex(0));
            let route = listener.route_at(forward.route).unwrap();
            let (_, cluster) = route.backend_with_cluster(forward.backend).unwrap();
            let standings = AllWell { listener, turn: seed };
            let circumstances = Circumstances { draw: Draw(draw), standings: &standings, addresses: &addresses };
            let again = |failed: &_| decide_again(&FACTS, listener, failed, &circumstances);
            let tries: Vec<_> = std::iter::successors(Some(forward), again).collect();
            prop_assert_eq!(tries.len(), 20);
            let all = cluster.endpoints.len();
            let mut seen: Vec<usize> = tries.iter().take(all).map(|forward| forward.endpoint.endpoint).collect();
            prop_assert!(seen.is_sorted_by_key(|index| cluster.endpoints[*index].priority));
            prop_assert!(tries.iter().all(|forward| forward.backend == tries[0].backend));
            prop_assert!(all < 2 || tries.windows(2).all(|two| two[0].endpoint != two[1].endpoint));
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), all);
        }
    }

    #[test]
    fn with_other_sides_allowed_every_usable_endpoint_of_the_split_is_tried(
        backends in backends(),
        draw in any::<u64>(),
        attempts in 1..6u32,
        sticky in any::<bool>(),
    ) {
        let mut mesh = mesh(&backends);
        mesh.listener.max_connect_attempts = attempts;
        mesh.route.retry_other_side = true;
        mesh.route.sticky = if sticky { message::Sticky::SourceIp } else { message::Sticky::None } as i32;
        let config = mesh.config();
        let listener = &config.listeners()[0];
        let addresses = Addresses::default();
        if let Decision::Forward(forward) = decide_once(listener, draw, 0, &addresses) {
            let standings = AllWell { listener, turn: 0 };
            let circumstances = Circumstances { draw: Draw(draw), standings: &standings, addresses: &addresses };
            let again = |failed: &_| decide_again(&FACTS, listener, failed, &circumstances);
            let tries: Vec<_> = std::iter::successors(Some(forward), again).take(100).collect();
            prop_assert!(tries.iter().all(|it| it.first_backend() == forward.backend));
            for (index, (weight, has_cluster, endpoints)) in backends.iter().enumerate() {
                let usable = endpoints.iter().filter(|(is_name, _)| !is_name).count();
                let carries = *weight > 0 && *has_cluster;
                let wanted = if carries { usable.min(attempts as usize) } else { 0 };
                let mut tried: Vec<usize> =
                    tries.iter().filter(|it| it.backend == index).map(|it| it.endpoint.endpoint).collect();
                tried.sort_unstable();
                tried.dedup();
                prop_assert_eq!(tried.len(), wanted);
            }
            prop_assert!(tries.len() <= attempts as usize * backends.len());
        }
    }

    #[test]
    fn a_sticky_choice_knows_no_draw(backends in backends(), draws in any::<[u64; 2]>(), client in any::<[u8; 4]>()) {
        let mut mesh = mesh(&backends);
        mesh.route.sticky = message::Sticky::SourceIp as i32;
        let config = mesh.config();
        let listener = &config.listeners()[0];
        let addresses = Addresses::default();
        let standings = AllWell { listener, turn: 0 };
        let decide = |draw, port| {
            let facts = Facts { client: SocketAddr::from((client, port)), server_name: None, destination: None };
            decide(&facts, listener, &Circumstances { draw: Draw(draw), standings: &standings, addresses: &addresses })
        };
        prop_assert_eq!(decide(draws[0], 1), decide(draws[1], 2));
    }

    #[test]
    fn the_share_of_a_side_that_is_down_is_refused_or_spills(backends in backends(), draw in any::<u64>()) {
        let mut mesh = mesh(&backends);
        let addresses = Addresses::default();
        let refusing = mesh.config();
        for backend in &mut mesh.route.backends {
            backend.when_down = message::WhenDown::Spill as i32;
        }
        let spilling = mesh.config();
        let refusing = decide_once(&refusing.listeners()[0], draw, 0, &addresses);
        let spilling = decide_once(&spilling.listeners()[0], draw, 0, &addresses);
        let usable = |(weight, has_cluster, endpoints): &RandomBackend| {
            *weight > 0 && *has_cluster && endpoints.iter().any(|(is_name, _)| !is_name)
        };
        match (refusing, spilling) {
            (Decision::Forward(one), other) => prop_assert_eq!(Decision::Forward(one), other),
            (Decision::Refuse(refuse), Decision::Forward(forward)) => {
                prop_assert_eq!(Some(forward.first_backend()), refuse.backend);
                prop_assert!(forward.backend != forward.first_backend() && usable(&backends[forward.backend]));
            }
            (Decision::Refuse(refuse), Decision::Refuse(_)) => {
                let has_cluster = refuse.backend.is_some_and(|backend| backends[backend].1);
                prop_assert!(!has_cluster || !backends.iter().any(usable));
            }
        }
    }

    #[test]
    fn the_route_is_the_first_that_takes_a_connection(
        names in prop::collection::vec(prop::sample::select(&NAMES[..]), 0..6),
        matches in prop::collection::vec((prop::sample::select(&NAMES[..]), any::<bool>()), 0..3),
        has_default in any::<bool>(),
        asked in prop::option::of(prop::sample::select(&["a", "b", "c", "a.x", "b.a.x", "y"][..])),
    ) {
        let mut mesh = mesh(&[]);
        let route = || "outbound".to_owned();
        mesh.listener.server_names = names
            .iter()
            .map(|name| message::ServerName { pattern: (*name).to_owned(), route: route(), ..Default::default() })
            .collect();
        mesh.listener.matches = matches
            .iter()
            .map(|(name, is_ours)| {
                let address = if *is_ours { "127.0.0.0" } else { "10.0.0.0" }.to_owned();
                let source = Some(message::Network { address, prefix_length: 8 });
                message::RouteMatch { route: route(), server_name: (*name).to_owned(), source }
            })
            .collect();
        if !has_default {
            mesh.listener.route.clear();
        }
        let config = mesh.config();
        let listener = &config.listeners()[0];
        let facts = Facts { server_name: asked, ..FACTS };
        let takes = |(matched, _): &(Match, _)| matched.takes(facts.client.ip(), facts.server_name);
        let first = listener.routes.iter().find(|it| takes(it)).map(|(matched, _)| matched);
        let found = listener.route_for(&facts).map(|RouteIndex(index)| &listener.routes[index].0);
        prop_assert_eq!(found, first);
    }
}
