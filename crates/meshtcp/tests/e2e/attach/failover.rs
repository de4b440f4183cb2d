//! Failover of an Envoy that knows two control planes when the one in use dies.

use super::envoy::Protocol::{Delta, StateOfTheWorld};
use super::envoy::{Envoy, Protocol};
use super::village::{route, service};
use super::{ControlPlane, Layout, Village};
use crate::connection::{Connection, reaches};
use crate::program::eventually;

fn moves_on(protocol: Protocol) {
    let village = Village::new();
    village.save("route.yaml", &route(&[service("next", 1)]));
    let mut control_planes = [(); 2].map(|()| ControlPlane::start(&village, Layout::Endpoints));
    let addresses = control_planes.each_ref().map(|it| it.xds.clone()).join(",");
    let envoy = Envoy::start_at("web-1", &addresses, protocol);
    let attached = |it: &ControlPlane| it.proxy("web-1")["inSync"] == true;
    eventually("Envoy attaches to one of them", || control_planes.iter().any(attached));
    let port = village.outbound;
    reaches(port, &["next"]);
    let mut open: Vec<Connection> = (0..20).map(|_| Connection::open(port).unwrap()).collect();

    if attached(&control_planes[1]) {
        control_planes.reverse();
    }
    let [dies, lives] = control_planes;
    drop(dies);
    lives.is_in_sync("web-1");
    open.iter_mut().for_each(Connection::echo);
    lives.roll_out(|| village.save("route.yaml", &route(&[service("ledger", 1)])));
    reaches(port, &["v1", "v2"]);
    open.iter_mut().for_each(Connection::echo);
    assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
}

#[test]
fn envoy_in_delta_goes_to_the_other_control_plane() {
    moves_on(Delta);
}

#[test]
fn envoy_in_state_of_the_world_goes_to_the_other_control_plane() {
    moves_on(StateOfTheWorld);
}
