//! Effect of a change of weights on open connections: none, or, in the reference's layout, their end.

use std::time::Duration;

use super::envoy::{DRAIN_SECONDS, Protocol::Delta};
use super::village::{route, service};
use super::{Kind, Layout, attached};
use crate::connection::{Connection, reaches};
use crate::program::eventually;

const CONNECTIONS: usize = 20;
const CHANGES: u32 = 20;

/// Opens twenty connections, makes twenty changes, and waits twice the time after which Envoy ends drained connections.
fn all_live_on(kind: Kind) {
    let (village, control_plane, proxy) = attached(kind, "web-1");
    let weights = |next: u32| route(&[service("ledger", 100 - next), service("next", next)]);
    control_plane.roll_out(|| village.save("route.yaml", &weights(0)));
    reaches(village.outbound, &["v1", "v2"]);
    let mut open: Vec<Connection> =
        (0..CONNECTIONS).map(|_| Connection::open(village.outbound).unwrap()).collect();
    for change in 1..=CHANGES {
        control_plane.roll_out(|| village.save("route.yaml", &weights(5 * change)));
        open.iter_mut().for_each(Connection::echo);
    }
    reaches(village.outbound, &["next"]);
    std::thread::sleep(Duration::from_secs(2 * DRAIN_SECONDS));
    assert_eq!(open.iter_mut().filter_map(Connection::lives).count(), CONNECTIONS);
    proxy.refused_nothing();
}

#[test]
fn envoy_keeps_connections_by_endpoints() {
    all_live_on(Kind::Envoy(Delta, Layout::Endpoints));
}

#[test]
fn our_own_proxy_keeps_connections() {
    all_live_on(Kind::Ours);
}

#[test]
fn envoy_cuts_connections_by_clusters_when_the_drain_time_ends() {
    let (village, control_plane, _envoy) = attached(Kind::Envoy(Delta, Layout::Clusters), "web-1");
    let weights = |ledger: u32| route(&[service("ledger", ledger), service("next", 10)]);
    control_plane.roll_out(|| village.save("route.yaml", &weights(90)));
    reaches(village.outbound, &["next", "v1", "v2"]);
    let mut open: Vec<Connection> =
        (0..CONNECTIONS).map(|_| Connection::open(village.outbound).unwrap()).collect();
    control_plane.roll_out(|| village.save("route.yaml", &weights(80)));
    eventually("every connection of the old listener is cut", || {
        open.retain_mut(|connection| connection.lives().is_some());
        open.is_empty()
    });
    reaches(village.outbound, &["next", "v1", "v2"]);
}
