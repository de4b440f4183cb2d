//! Effect of a change of weights on live connections, as their route declares.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::time::Duration;

use ::l4::Ending;
use meshtcp_proxy::{Options, Proxy};
use support::{Mesh, Server, counters, dial, free_address, options, proxy, read_until_reset, wait_until};
use xds::proto::l4::Existing;

/// Starts one worker, so that its share is the whole.
fn one_worker(mesh: &Mesh) -> Proxy {
    let proxy = Proxy::start(Options { threads: NonZeroUsize::new(1), ..options() }).unwrap();
    assert!(proxy.apply(mesh.config()).failed.is_empty());
    proxy
}

/// Servers that answer `a` and `b`; they live as long as the process.
fn two_sides(address: SocketAddr, existing: Existing) -> Mesh {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let mut mesh = Mesh::new(address).backend("a", 1, &[a.address]).backend("b", 0, &[b.address]);
    mesh.route.existing = existing as i32;
    mesh
}

fn weigh(mesh: &mut Mesh, weights: [u32; 2]) {
    for (backend, weight) in mesh.route.backends.iter_mut().zip(weights) {
        backend.weight = weight;
    }
}

fn open(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = dial(address);
        stream.read_exact(&mut [0]).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

/// Returns `true` if it still echoes.
fn lives(mut stream: &TcpStream) -> bool {
    let mut byte = [0];
    stream.write_all(b"x").and_then(|()| stream.read_exact(&mut byte)).is_ok()
}

fn ended(proxy: &Proxy, ending: Ending) -> u64 {
    counters(proxy).ended.get(&ending).copied().unwrap_or(0)
}

fn outdated(proxy: &Proxy) -> u64 {
    counters(proxy).backends.iter().map(|backend| backend.outdated).sum()
}

#[test]
fn by_default_they_stay_and_are_counted_until_the_weights_are_back() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::Keep);
    let proxy = proxy(&mesh);
    let streams = open(address, 10);
    weigh(&mut mesh, [9, 1]);
    proxy.apply(mesh.config());
    assert_eq!(outdated(&proxy), 10);
    assert!(streams.iter().all(lives));
    // equal shares, as other weights
    weigh(&mut mesh, [5, 0]);
    proxy.apply(mesh.config());
    assert_eq!(outdated(&proxy), 0);
    weigh(&mut mesh, [0, 1]);
    proxy.apply(mesh.config());
    assert_eq!(outdated(&proxy), 10);
    drop(streams);
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!((outdated(&proxy), proxy.counters().cut()), (0, 0));
}

#[test]
fn the_excess_is_drained_idle_ones_first() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::DrainExcess);
    let proxy = one_worker(&mesh);
    let streams = open(address, 20);
    let (idle, busy) = streams.split_at(8);
    std::thread::sleep(Duration::from_millis(5));
    assert!(busy.iter().all(lives));
    weigh(&mut mesh, [3, 2]);
    proxy.apply(mesh.config());
    wait_until("8 of 20 are drained", || ended(&proxy, Ending::DrainedByRoute) == 8);
    for stream in idle {
        read_until_reset(stream);
    }
    assert!(busy.iter().all(lives));
    // endpoints are added and removed, weights do not change: there is no excess
    let further = Server::named("a").address;
    mesh.clusters[0].1.endpoints.push(xds::proto::l4::Endpoint {
        address: further.ip().to_string(),
        port: further.port().into(),
        ..Default::default()
    });
    let after = open(address, 5);
    proxy.apply(mesh.config());
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(ended(&proxy, Ending::DrainedByRoute), 8);
    assert!(busy.iter().chain(&after).all(lives));
    assert_eq!(proxy.counters().cut(), 8);
}

#[test]
fn a_drain_goes_on_over_a_change_of_something_else_and_ends_with_keep() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::DrainExcess);
    let proxy = one_worker(&mesh);
    let streams = open(address, 60);
    weigh(&mut mesh, [0, 1]);
    proxy.apply(mesh.config());
    mesh.clusters[1].0.connect_timeout_ms = 4000;
    proxy.apply(mesh.config());
    wait_until("all are drained", || ended(&proxy, Ending::DrainedByRoute) == 60);
    drop(streams);

    let streams = open(address, 60);
    weigh(&mut mesh, [1, 0]);
    proxy.apply(mesh.config());
    mesh.route.existing = Existing::Keep as i32;
    weigh(&mut mesh, [1, 1]);
    proxy.apply(mesh.config());
    let then = ended(&proxy, Ending::DrainedByRoute);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ended(&proxy, Ending::DrainedByRoute), then);
    drop(streams);
}

#[test]
fn those_that_would_go_elsewhere_are_closed_and_no_others() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::Close);
    let proxy = one_worker(&mesh);
    let streams = open(address, 100);
    weigh(&mut mesh, [9, 1]);
    let config = mesh.config();
    let split = &config.listeners()[0].routes[0].1.split;
    let elsewhere = |info: &meshtcp_proxy::ConnectionInfo| split.choose(info.draw.unwrap()) == Some(1);
    let before = proxy.connections();
    let expected = before.iter().filter(|info| elsewhere(info)).count();
    assert!((8..=12).contains(&expected), "{expected}");
    proxy.apply(config.clone());
    assert_eq!(ended(&proxy, Ending::Moved), expected as u64);
    let after = proxy.connections();
    assert_eq!(after.len(), 100 - expected);
    assert!(!after.iter().any(elsewhere));
    assert_eq!(streams.iter().filter(|stream| lives(stream)).count(), 100 - expected);
    // without any weight all are closed
    weigh(&mut mesh, [0, 0]);
    proxy.apply(mesh.config());
    assert_eq!(counters(&proxy).active, 0);
}

#[test]
fn a_removed_backend_drains_by_its_grace() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::Keep);
    let proxy = proxy(&mesh);
    let streams = open(address, 5);
    mesh.route.drain_grace_ms = 600_000;
    let whole = mesh.clone();
    mesh.route.backends.remove(0);
    mesh.route.backends[0].weight = 1;
    proxy.apply(mesh.config());
    assert!(streams.iter().all(lives));
    // it is back before the grace period ends
    proxy.apply(whole.config());
    mesh.route.drain_grace_ms = 1;
    let later = open(address, 1);
    assert!(streams.iter().chain(&later).all(lives));
    proxy.apply(mesh.config());
    wait_until("the grace is over", || ended(&proxy, Ending::DrainedByRoute) == 6);
    streams.iter().for_each(|stream| drop(read_until_reset(stream)));
}

/// Numbers of connections at the first and at the second backend.
fn at(proxy: &Proxy) -> [u64; 2] {
    let backends = counters(proxy).backends;
    [backends[0].active, backends[1].active]
}

#[test]
fn one_that_was_tried_elsewhere_counts_there_and_stays_while_its_draw_leads_to_either_side() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::Close);
    let dead = free_address();
    mesh.clusters[1].1.endpoints[0].address = dead.ip().to_string();
    mesh.clusters[1].1.endpoints[0].port = dead.port().into();
    mesh.route.retry_other_side = true;
    weigh(&mut mesh, [1, 1]);
    let proxy = one_worker(&mesh);
    let streams = open(address, 40);
    assert_eq!(at(&proxy), [40, 0], "they count where they are");
    let elsewhere = proxy.connections().iter().filter(|info| info.first_backend.is_some()).count();
    assert!((18..=22).contains(&elsewhere), "{elsewhere}");
    // some draws move to the second side, where they never were, others were drawn for it already
    weigh(&mut mesh, [1, 3]);
    let config = mesh.config();
    let split = &config.listeners()[0].routes[0].1.split;
    let moved = |info: &meshtcp_proxy::ConnectionInfo| {
        info.first_backend.is_none() && split.choose(info.draw.unwrap()) == Some(1)
    };
    let expected = proxy.connections().iter().filter(|info| moved(info)).count();
    assert!((8..=12).contains(&expected), "{expected}");
    proxy.apply(config.clone());
    assert_eq!(ended(&proxy, Ending::Moved), expected as u64);
    assert_eq!(streams.iter().filter(|stream| lives(stream)).count(), 40 - expected);
}

#[test]
fn what_was_spilled_is_not_drained_while_it_would_only_spill_back() {
    let address = free_address();
    let mut mesh = two_sides(address, Existing::DrainExcess);
    let dead = free_address();
    mesh.clusters[1].1.endpoints[0].address = dead.ip().to_string();
    mesh.clusters[1].1.endpoints[0].port = dead.port().into();
    mesh.clusters[1].0.health_check = Some(xds::proto::l4::HealthCheck {
        interval_ms: 20,
        timeout_ms: 20_000,
        unhealthy_threshold: 1,
        healthy_threshold: 1,
        ..Default::default()
    });
    mesh.route.backends[1].when_down = xds::proto::l4::WhenDown::Spill as i32;
    weigh(&mut mesh, [1, 1]);
    let proxy = one_worker(&mesh);
    let is_down = || proxy.counters().clusters[0].condition == ::l4::balance::Condition::Down;
    wait_until("it is found down", is_down);
    let streams = open(address, 20);
    assert_eq!(at(&proxy), [20, 0]);
    weigh(&mut mesh, [1, 3]);
    proxy.apply(mesh.config());
    // longer than several turns of a drain take
    std::thread::sleep(Duration::from_millis(600));
    assert!(streams.iter().all(lives));
    // when it is back, the next change restores the shares
    let back = std::net::TcpListener::bind(dead).unwrap();
    let _back = Server::on(back, support::echo);
    wait_until("it is found up", || !is_down());
    weigh(&mut mesh, [1, 1]);
    proxy.apply(mesh.config());
    wait_until("half of them are drained", || ended(&proxy, Ending::DrainedByRoute) == 10);
}
