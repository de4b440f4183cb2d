//! Laws of deciding, on small random listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;

use meshtcp_proxy::balance::{Balance, Draw};
use meshtcp_proxy::config::{Listener, Target};
use meshtcp_proxy::decide::{Addresses, Decision, Facts, Moment, Refusal, Resolved, RouteIndex};
use meshtcp_proxy::{Config, decide};
use proptest::prelude::*;
use support::Mesh;
use xds::proto::l4;

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
    let mut mesh = Mesh::new(SocketAddr::from(([127, 0, 0, 1], 1)));
    for (index, (weight, has_cluster, endpoints)) in backends.iter().enumerate() {
        mesh = mesh.backend(&format!("b{index}"), *weight, &[]);
        if !has_cluster {
            mesh.route.backends[index].cluster.clear();
        }
        let endpoints = endpoints.iter().enumerate().map(|(port, (is_name, priority))| l4::Endpoint {
            address: if *is_name { "unknown.test".into() } else { "10.0.0.1".into() },
            port: port as u32 + 1,
            priority: *priority,
            ..Default::default()
        });
        mesh.clusters[index].1.endpoints = endpoints.collect();
    }
    mesh.config()
}

fn decide_once(listener: &Listener, draw: u64, seed: u64, addresses: &Addresses) -> Decision {
    let balance = Balance::seeded(seed);
    let facts = Facts { client: SocketAddr::from(([127, 0, 0, 1], 9)), server_name: None };
    decide(&facts, listener, &Moment { draw: Draw(draw), turns: balance.turns(), addresses })
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
                Refusal::NoBackend => prop_assert!(backends.iter().all(|(weight, ..)| *weight == 0)),
                Refusal::BackendUnavailable => prop_assert!(!usable(refuse.backend.unwrap())),
                Refusal::NoServerName => prop_assert!(false, "there are no server names"),
            },
        }
    }

    #[test]
    fn attempts_walk_through_all_usable_endpoints_before_one_comes_again(
        backends in backends(),
        draw in any::<u64>(),
        seed in any::<u64>(),
    ) {
        let config = config(&backends);
        let listener = &config.listeners()[0];
        let known = Resolved::Known(vec![[10, 0, 0, 2].into()]);
        let addresses: Addresses = [("unknown.test".into(), known)].into_iter().collect();
        if let Decision::Forward(forward) = decide_once(listener, draw, seed, &addresses) {
            prop_assert_eq!(forward.route, RouteIndex::Default);
            let route = listener.route_at(forward.route).unwrap();
            let (_, cluster) = route.backend_with_cluster(forward.backend).unwrap();
            let all = cluster.endpoints.len() as u32;
            let dial = |attempt| cluster.dial(forward.turn, attempt, &addresses).unwrap().endpoint;
            let mut seen: Vec<usize> = (0..all).map(dial).collect();
            prop_assert!(seen.is_sorted_by_key(|index| cluster.endpoints[*index].priority));
            prop_assert_eq!(dial(all), seen[0]);
            prop_assert_eq!(forward.endpoint.endpoint, seen[0]);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len() as u32, all);
        }
    }
}
