//! Control plane that is killed and restarted.

use super::envoy::Protocol::{Delta, StateOfTheWorld};
use super::village::{route, service};
use super::{ControlPlane, Kind, Layout, attached};
use crate::connection::{Connection, reaches};

/// Returns how many bytes the new control plane sent until the proxy was in sync with it.
fn bytes_after_a_restart(kind: Kind) -> u64 {
    let (village, control_plane, proxy) = attached(kind, "web-1");
    let port = village.outbound;
    control_plane.roll_out(|| village.save("route.yaml", &route(&[service("next", 1)])));
    reaches(port, &["next"]);
    let mut open: Vec<Connection> = (0..20).map(|_| Connection::open(port).unwrap()).collect();
    let xds = control_plane.xds.clone();
    drop(control_plane);
    open.iter_mut().for_each(Connection::echo);
    reaches(port, &["next"]);
    let control_plane = ControlPlane::start_at(&village, kind.layout(), &xds);
    control_plane.is_in_sync("web-1");
    open.iter_mut().for_each(Connection::echo);
    let bytes = control_plane.metric("meshtcp_discovery_response_bytes_total");
    control_plane.roll_out(|| village.save("route.yaml", &route(&[service("ledger", 1)])));
    reaches(port, &["v1", "v2"]);
    open.iter_mut().for_each(Connection::echo);
    proxy.refused_nothing();
    bytes
}

#[test]
fn envoy_in_delta_is_sent_nothing_again() {
    for layout in [Layout::Endpoints, Layout::Clusters] {
        let bytes = bytes_after_a_restart(Kind::Envoy(Delta, layout));
        assert!(bytes < 500, "two empty answers, not {bytes} bytes");
    }
}

#[test]
fn our_own_proxy_is_sent_nothing_again() {
    let bytes = bytes_after_a_restart(Kind::Ours);
    assert!(bytes < 1000, "four empty answers, not {bytes} bytes");
}

#[test]
fn envoy_in_state_of_the_world_is_sent_everything_once() {
    let bytes = bytes_after_a_restart(Kind::Envoy(StateOfTheWorld, Layout::Endpoints));
    assert!(bytes > 500, "it asks for everything: {bytes} bytes");
}
