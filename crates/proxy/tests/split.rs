//! Choice of a connection's backend, and of its endpoint.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::Read;

use ::l4::Ending;
use support::{Mesh, Server, counters, dial, free_address, proxy, read_until_reset, wait_until};

/// Reads the name that a server sends first, of one byte.
fn name(address: std::net::SocketAddr) -> u8 {
    let mut name = [0];
    dial(address).read_exact(&mut name).unwrap();
    name[0]
}

fn names(address: std::net::SocketAddr, connections: usize) -> BTreeMap<u8, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..connections {
        *seen.entry(name(address)).or_default() += 1;
    }
    seen
}

#[test]
fn two_thousand_connections_split_by_weight() {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("v1", 90, &[a.address]).backend("v2", 10, &[b.address]));
    let seen = names(address, 2000);
    let sigma = (2000.0f64 * 0.9 * 0.1).sqrt();
    assert!((seen[&b'b'] as f64 - 200.0).abs() < 4.0 * sigma, "{seen:?}");
    wait_until("all are counted", || counters(&proxy).active == 0);
    let counted = counters(&proxy);
    assert_eq!((counted.accepted, counted.opened(), counted.refused()), (2000, 2000, 0));
    assert_eq!(
        counted.backends.iter().map(|backend| backend.wanted).collect::<Vec<_>>(),
        [Some(0.9), Some(0.1)]
    );
    assert_eq!(counted.backends[1].opened, seen[&b'b'] as u64);
}

#[test]
fn endpoints_take_turns() {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let address = free_address();
    let _proxy = proxy(&Mesh::new(address).backend("redis", 1, &[a.address, b.address]));
    let seen = names(address, 100);
    // each of the two workers may be off by one
    assert!(seen[&b'a'].abs_diff(50) <= 2, "{seen:?}");
}

#[test]
fn a_weight_of_zero_never_gets_a_connection() {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let address = free_address();
    let _proxy = proxy(&Mesh::new(address).backend("v1", 0, &[a.address]).backend("v2", 1, &[b.address]));
    assert_eq!(names(address, 50), BTreeMap::from([(b'b', 50)]));
}

#[test]
fn no_backend_to_choose_is_a_reset_with_a_reason() {
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("v1", 0, &[]);
    mesh.route.refusal = "every weight is 0".into();
    let proxy = proxy(&mesh);
    read_until_reset(&dial(address));
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::NoBackend) == Some(&1));
}

#[test]
fn a_share_without_a_cluster_is_refused_and_only_that_share() {
    let a = Server::named("a");
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("v1", 1, &[a.address]);
    mesh.route.backends.push(xds::proto::l4::Backend {
        reference: "MeshService gone".into(),
        weight: 1,
        unavailable: "there is no MeshService gone".into(),
        ..Default::default()
    });
    let proxy = proxy(&mesh);
    let served = (0..100).filter(|_| dial(address).read(&mut [0]).is_ok()).count();
    assert!((45..=55).contains(&served), "{served}");
    wait_until("all are counted", || counters(&proxy).accepted == 100 && counters(&proxy).active == 0);
    assert_eq!(counters(&proxy).ended[&Ending::BackendUnavailable], 100 - served as u64);
}

#[test]
fn a_host_name_is_resolved() {
    let a = Server::named("a");
    let address = free_address();
    let _proxy = proxy(&Mesh::new(address).hosts("redis", 1, &[("localhost", a.address.port())]));
    assert_eq!(names(address, 3), BTreeMap::from([(b'a', 3)]));
}

#[test]
fn a_host_name_without_an_address_is_refused() {
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).hosts("redis", 1, &[("no-such-host.invalid", 80)]));
    read_until_reset(&dial(address));
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::BackendUnavailable) == Some(&1));
}
