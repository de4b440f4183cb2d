//! Many changes in a row, and backends swapped under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::envoy::Protocol::{Delta, StateOfTheWorld};
use super::village::{route, service, version};
use super::{Kind, Layout, attached};
use crate::connection::{Connection, reaches, tally};

/// Makes fifty changes of every kind one after the other; each is accepted.
fn fifty_changes(kind: Kind) {
    let (village, control_plane, proxy) = attached(kind, "web-1");
    for round in 0..10 {
        let weight = 1 + round;
        for refs in [
            vec![service("ledger", 90 + weight), service("next", 10)],
            vec![version("v1", weight), version("v2", 100)],
            vec![service("next", 1)],
            vec![service("ledger", 0), service("next", 0)],
            vec![service("partner", weight), version("v1", 1)],
        ] {
            let rollout = control_plane.roll_out(|| village.save("route.yaml", &route(&refs)));
            assert_eq!(rollout["concerned"], 1, "{rollout:#}");
        }
    }
    assert!(control_plane.proxy("web-1")["revision"].as_u64().unwrap() >= 50);
    proxy.refused_nothing();
    assert_eq!(control_plane.metric("meshtcp_discovery_nacks_total"), 0);
}

#[test]
fn envoy_in_delta_accepts_fifty_changes() {
    fifty_changes(Kind::Envoy(Delta, Layout::Endpoints));
}

#[test]
fn envoy_in_state_of_the_world_accepts_fifty_changes() {
    fifty_changes(Kind::Envoy(StateOfTheWorld, Layout::Endpoints));
}

#[test]
fn envoy_in_delta_by_clusters_accepts_fifty_changes() {
    fifty_changes(Kind::Envoy(Delta, Layout::Clusters));
}

#[test]
fn our_own_proxy_accepts_fifty_changes() {
    fifty_changes(Kind::Ours);
}

/// Opens new connections while the backend is swapped; the old one stops only when no connection is sent to it any
/// more.
fn nobody_fails_in_a_swap(kind: Kind) {
    let (village, control_plane, proxy) = attached(kind, "web-1");
    let port = village.outbound;
    control_plane.roll_out(|| village.save("route.yaml", &route(&[service("ledger", 1)])));
    reaches(port, &["v1", "v2"]);
    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let (mut opened, mut failed) = (0_u64, 0_u64);
                while !done.load(Relaxed) {
                    match Connection::open(port) {
                        Some(connection) => connection.close(),
                        None => failed += 1,
                    }
                    opened += 1;
                }
                (opened, failed)
            })
        })
        .collect();
    for _ in 0..5 {
        for (to, reached) in [("next", &["next"][..]), ("ledger", &["v1", "v2"])] {
            control_plane.roll_out(|| village.save("route.yaml", &route(&[service(to, 1)])));
            reaches(port, reached);
        }
    }
    done.store(true, Relaxed);
    for thread in load {
        let (opened, failed) = thread.join().unwrap();
        assert!(opened > 50, "{opened} connections are no load");
        assert_eq!(failed, 0, "of {opened} connections");
    }
    proxy.refused_nothing();
    assert_eq!(tally(port, 10).get("-"), None);
}

#[test]
fn nobody_fails_when_envoy_swaps_backends_by_endpoints() {
    nobody_fails_in_a_swap(Kind::Envoy(Delta, Layout::Endpoints));
}

#[test]
fn nobody_fails_when_envoy_swaps_backends_by_clusters() {
    nobody_fails_in_a_swap(Kind::Envoy(Delta, Layout::Clusters));
}

#[test]
fn nobody_fails_when_envoy_swaps_backends_in_state_of_the_world() {
    nobody_fails_in_a_swap(Kind::Envoy(StateOfTheWorld, Layout::Clusters));
}

#[test]
fn nobody_fails_when_our_own_proxy_swaps_backends() {
    nobody_fails_in_a_swap(Kind::Ours);
}
