//! Turns of endpoints during slow start, failover from near to far ones, and limits.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};

use ::l4::Ending;
use ::l4::health::{ClusterHealth, EndpointState};
use meshtcp_proxy::Proxy;
use support::{
    Mesh, Server, Unanswering, counters, dial, free_address, proxy, read_until_reset, reset, wait_until,
};
use xds::proto::l4;

/// Returns the number of connections that each server gets, by the name that it sends first.
fn met(address: SocketAddr, connections: usize) -> BTreeMap<char, usize> {
    let mut met = BTreeMap::new();
    for _ in 0..connections {
        let mut name = [0];
        dial(address).read_exact(&mut name).unwrap();
        *met.entry(char::from(name[0])).or_default() += 1;
    }
    met
}

fn health(proxy: &Proxy) -> ClusterHealth {
    proxy.counters().clusters[0].clone()
}

fn endpoint(address: SocketAddr, priority: u32) -> l4::Endpoint {
    l4::Endpoint {
        address: address.ip().to_string(),
        port: address.port().into(),
        priority,
        ..Default::default()
    }
}

fn checks() -> Option<l4::HealthCheck> {
    Some(l4::HealthCheck {
        interval_ms: 20,
        timeout_ms: 20_000,
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        ..Default::default()
    })
}

#[test]
fn a_new_endpoint_begins_with_a_tenth_of_its_share_and_gets_all_of_it() {
    let (old, new) = (Server::named("o"), Server::named("n"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[old.address]);
    let hour = Some(l4::Balancing { slow_start_ms: 3_600_000, ..Default::default() });
    mesh.clusters[0].0.balancing.clone_from(&hour);
    let proxy = proxy(&mesh);
    assert_eq!(health(&proxy).endpoints[0].warmth, 100, "the first sight of a cluster is no slow start");
    mesh.clusters[0].1.endpoints.push(endpoint(new.address, 0));
    proxy.apply(mesh.config());
    // each of two workers takes its own turns
    let shares = met(address, 110);
    assert!((6..=14).contains(&shares[&'n']), "{shares:?}");
    assert_eq!(health(&proxy).endpoints.iter().map(|it| it.warmth).max(), Some(100));
    assert_eq!(health(&proxy).endpoints.iter().map(|it| it.warmth).min(), Some(10));
    // the same endpoint, with a short slow start
    mesh.clusters[0].0.balancing = hour.map(|balancing| l4::Balancing { slow_start_ms: 100, ..balancing });
    proxy.apply(mesh.config());
    wait_until("it is warm", || health(&proxy).endpoints.iter().all(|it| it.warmth == 100));
    let shares = met(address, 100);
    assert!(shares.values().all(|share| (48..=52).contains(share)), "{shares:?}");
}

#[test]
fn only_so_many_connects_are_on_their_way_and_an_ended_one_makes_room() {
    let silent = Unanswering::new();
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[silent.address]);
    mesh.clusters[0].0.max_pending_connections = 2;
    mesh.clusters[0].0.connect_timeout_ms = 600_000;
    let proxy = proxy(&mesh);
    let pending = || health(&proxy).pending.map(|usage| (usage.used, usage.limit)).unwrap();
    assert_eq!(pending(), (0, 2));
    let waiting = [dial(address), dial(address)];
    wait_until("two are on their way", || pending() == (2, 2));
    read_until_reset(&dial(address));
    wait_until("the third is counted", || {
        counters(&proxy).backends[0].ended.get(&Ending::PendingLimit) == Some(&1)
    });
    let [first, _second] = waiting;
    reset(first);
    wait_until("there is room", || pending() == (1, 2));
    let _third = dial(address);
    wait_until("it is taken", || pending() == (2, 2));
}

#[test]
fn connections_of_a_cluster_count_over_its_listeners_backends_and_changes() {
    let server = Server::named("a");
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.clusters[0].0.max_connections = 2;
    let proxy = proxy(&mesh);
    let used = || health(&proxy).connections.map(|usage| (usage.used, usage.limit)).unwrap();
    let greeted = || {
        let mut stream = dial(address);
        stream.read_exact(&mut [0]).map(|()| stream)
    };
    let living = [greeted().unwrap(), greeted().unwrap()];
    assert_eq!(used(), (2, 2));
    read_until_reset(&dial(address));
    mesh.clusters[0].0.max_connections = 3;
    proxy.apply(mesh.config());
    assert_eq!(used(), (2, 3), "what was there before the change counts");
    let third = greeted().unwrap();
    read_until_reset(&dial(address));
    drop((living, third));
    wait_until("all have ended", || used() == (0, 3));
}

#[test]
fn far_endpoints_take_over_while_the_near_ones_are_down() {
    let (near, far) = (free_address(), Server::named("f"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[]);
    mesh.clusters[0].1.endpoints = vec![endpoint(near, 0), endpoint(far.address, 1)];
    mesh.clusters[0].0.health_check = checks();
    let proxy = proxy(&mesh);
    let state = |index: usize| health(&proxy).endpoints[index].state;
    wait_until("the near one is found down", || state(0) == EndpointState::Down);
    assert_eq!(met(address, 20), BTreeMap::from([('f', 20)]));
    let _back = Server::on(TcpListener::bind(near).unwrap(), |mut stream| {
        use std::io::Write;
        let _ = stream.write_all(b"n");
    });
    wait_until("the near one is found up", || state(0) == EndpointState::Up);
    assert_eq!(met(address, 20), BTreeMap::from([('n', 20)]), "and nobody goes far without need");
}

#[test]
fn far_endpoints_take_over_below_the_threshold_of_near_ones() {
    let (near, dead, far) = (Server::named("n"), free_address(), Server::named("f"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[]);
    mesh.clusters[0].1.endpoints =
        vec![endpoint(near.address, 0), endpoint(dead, 0), endpoint(far.address, 1)];
    let (cluster, _) = &mut mesh.clusters[0];
    cluster.health_check = checks();
    cluster.failover_threshold_percent = 50;
    let proxy = proxy(&mesh);
    wait_until("one is found down", || health(&proxy).count(EndpointState::Down) == 1);
    assert_eq!(met(address, 20), BTreeMap::from([('n', 20)]), "half of them are enough");
    mesh.clusters[0].0.failover_threshold_percent = 51;
    proxy.apply(mesh.config());
    assert_eq!(met(address, 20), BTreeMap::from([('f', 20)]), "half of them are not");
}

#[test]
fn without_checks_attempts_go_from_near_to_far() {
    let (dead, far) = (free_address(), Server::named("f"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[]);
    mesh.clusters[0].1.endpoints = vec![endpoint(dead, 0), endpoint(far.address, 1)];
    mesh.listener.max_connect_attempts = 2;
    let proxy = proxy(&mesh);
    assert_eq!(met(address, 10), BTreeMap::from([('f', 10)]));
    let endpoints = &counters(&proxy).backends[0].endpoints;
    assert_eq!(endpoints.iter().map(|it| (it.failed, it.opened)).max(), Some((10, 0)));
}
