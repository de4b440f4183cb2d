//! Endpoints that fail and recover, shares that spill, retries, limits, and sticky clients.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ::l4::Ending;
use ::l4::health::EndpointState;
use meshtcp_proxy::Proxy;
use support::{Mesh, Server, counters, dial, free_address, proxy, read_until_reset, wait_until};
use xds::proto::l4;

/// Reads the name that the server sends first; `None`: a reset.
fn name(address: SocketAddr) -> Option<u8> {
    let mut name = [0];
    dial(address).read_exact(&mut name).ok().map(|()| name[0])
}

fn checks() -> l4::HealthCheck {
    l4::HealthCheck {
        interval_ms: 20,
        timeout_ms: 20_000,
        unhealthy_threshold: 2,
        healthy_threshold: 2,
        ..Default::default()
    }
}

fn states(proxy: &Proxy) -> Vec<EndpointState> {
    let clusters = proxy.counters().clusters;
    clusters.iter().flat_map(|cluster| &cluster.endpoints).map(|endpoint| endpoint.state).collect()
}

fn ended(proxy: &Proxy, ending: Ending) -> u64 {
    counters(proxy).ended.get(&ending).copied().unwrap_or(0)
}

/// Starts a server that sends its name, and ends.
fn start_at(address: SocketAddr, name: &'static [u8]) -> Server {
    use std::io::Write;
    let listener = TcpListener::bind(address).unwrap();
    Server::on(listener, move |mut stream| drop(stream.write_all(name)))
}

#[test]
fn an_endpoint_that_is_down_gets_nothing_until_it_is_up_again() {
    let (well, dead) = (Server::named("w"), free_address());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[well.address, dead]);
    mesh.clusters[0].0.health_check = Some(checks());
    let proxy = proxy(&mesh);
    wait_until("it is found down", || states(&proxy).contains(&EndpointState::Down));
    assert!((0..20).all(|_| name(address) == Some(b'w')));
    let health = &proxy.counters().clusters[0].endpoints;
    let down = health.iter().find(|endpoint| endpoint.state == EndpointState::Down).unwrap();
    assert!(down.since <= jiff::Timestamp::now() && down.checks == down.failed_checks);
    assert!(*down.endpoint == dead.to_string() && down.why.contains("refused") && down.failed_checks >= 2);
    let _back = start_at(dead, b"b");
    wait_until("it is found up", || states(&proxy).iter().all(|state| *state == EndpointState::Up));
    wait_until("it gets connections", || name(address) == Some(b'b'));
}

#[test]
fn a_side_that_is_down_is_refused_and_says_so_or_spills() {
    let (well, dead) = (Server::named("w"), free_address());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("v1", 1, &[well.address]).backend("v2", 1, &[dead]);
    mesh.clusters[1].0.health_check = Some(checks());
    let proxy = proxy(&mesh);
    wait_until("it is found down", || states(&proxy) == [EndpointState::Down]);
    let served = (0..100).filter(|_| name(address).is_some()).count();
    assert!((45..=55).contains(&served), "{served}");
    wait_until("all are counted", || ended(&proxy, Ending::BackendDown) == 100 - served as u64);
    mesh.route.backends[1].when_down = l4::WhenDown::Spill as i32;
    proxy.apply(mesh.config());
    assert!((0..50).all(|_| name(address) == Some(b'w')));
    assert_eq!(states(&proxy), [EndpointState::Down], "what is known outlives a change");
}

#[test]
fn a_check_asks_and_wants_the_expected_answer() {
    use std::io::Write;
    let healthy = Arc::new(AtomicBool::new(true));
    let answer = Arc::clone(&healthy);
    let server = Server::start(move |mut stream| {
        let mut question = [0; 4];
        if stream.read_exact(&mut question).is_ok() {
            let _ = stream.write_all(if answer.load(Relaxed) { b"+PONG\r\n" } else { b"-LOADING\r\n" });
        }
    });
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.clusters[0].0.health_check =
        Some(l4::HealthCheck { send: b"PING".to_vec(), receive: vec![b"PONG".to_vec()], ..checks() });
    let proxy = proxy(&mesh);
    wait_until("it was checked", || server.accepted() > 5);
    assert_eq!(states(&proxy), [EndpointState::Up]);
    healthy.store(false, Relaxed);
    wait_until("it is found down", || states(&proxy) == [EndpointState::Down]);
    read_until_reset(&dial(address));
    healthy.store(true, Relaxed);
    wait_until("it is found up", || states(&proxy) == [EndpointState::Up]);
}

fn outlier() -> Option<l4::OutlierDetection> {
    Some(l4::OutlierDetection {
        interval_ms: 600_000,
        base_ejection_ms: 600_000,
        max_ejection_percent: 50,
        consecutive_failures: 3,
    })
}

#[test]
fn an_endpoint_that_fails_connections_is_set_aside_and_the_last_one_never() {
    let (well, dead) = (Server::named("w"), free_address());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[well.address, dead]);
    mesh.clusters[0].0.outlier = outlier();
    mesh.listener.max_connect_attempts = 2;
    let proxy = proxy(&mesh);
    wait_until("it is set aside", || {
        // the second attempt serves all clients meanwhile
        assert_eq!(name(address), Some(b'w'));
        states(&proxy).contains(&EndpointState::Ejected)
    });
    let health = proxy.counters().clusters[0].endpoints.clone();
    let ejected = health.iter().find(|endpoint| endpoint.state == EndpointState::Ejected).unwrap();
    assert_eq!(&*ejected.why, "3 connects in a row failed");
    assert!(
        health.iter().any(|endpoint| endpoint.state == EndpointState::Unchecked && endpoint.why.is_empty())
    );
    let failures = || -> u64 { counters(&proxy).backends[0].endpoints.iter().map(|it| it.failed).sum() };
    let before = failures();
    assert!((0..20).all(|_| name(address) == Some(b'w')));
    assert_eq!(failures(), before, "nobody tries it any more");
}

#[test]
fn an_ejection_ends() {
    let (well, dead) = (Server::named("w"), free_address());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[well.address, dead]);
    mesh.clusters[0].0.outlier =
        outlier().map(|outlier| l4::OutlierDetection { base_ejection_ms: 50, ..outlier });
    mesh.listener.max_connect_attempts = 2;
    let proxy = proxy(&mesh);
    let ejections = |proxy: &Proxy| -> u64 {
        proxy.counters().clusters[0].endpoints.iter().map(|endpoint| endpoint.ejections).sum()
    };
    wait_until("it was set aside twice", || {
        assert_eq!(name(address), Some(b'w'));
        ejections(&proxy) >= 2
    });
    let _back = start_at(dead, b"b");
    wait_until("it gets connections", || name(address) == Some(b'b'));
}

#[test]
fn an_endpoint_that_resets_before_its_first_byte_is_set_aside() {
    let (well, bad) = (Server::named("w"), Server::start(support::reset));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[well.address, bad.address]);
    mesh.clusters[0].0.outlier = outlier();
    let proxy = proxy(&mesh);
    wait_until("it is set aside", || {
        let _ = name(address);
        states(&proxy).contains(&EndpointState::Ejected)
    });
    assert!((0..20).all(|_| name(address) == Some(b'w')));
}

#[test]
fn another_side_is_tried_where_the_route_allows_it() {
    let (well, dead) = (Server::named("w"), free_address());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("v1", 1, &[well.address]).backend("v2", 1, &[dead]);
    mesh.route.retry_other_side = true;
    let proxy = proxy(&mesh);
    assert!((0..40).all(|_| name(address) == Some(b'w')));
    let backends = counters(&proxy).backends;
    assert!(
        backends[1].chosen.abs_diff(20) <= 2,
        "the first choice is what is counted: {}",
        backends[1].chosen
    );
    assert_eq!((backends[0].opened, backends[1].opened), (40, 0));
}

#[test]
fn a_cluster_has_only_so_many_connections() {
    let server = Server::named("a");
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.clusters[0].0.max_connections = 3;
    let proxy = proxy(&mesh);
    let greeted = || {
        let mut stream = dial(address);
        stream.read_exact(&mut [0]).map(|()| stream)
    };
    let living: Vec<TcpStream> = (0..3).map(|_| greeted().unwrap()).collect();
    read_until_reset(&dial(address));
    wait_until("it is counted", || ended(&proxy, Ending::BackendLimit) == 1);
    drop(living);
    wait_until("there is room", || counters(&proxy).active == 0);
    greeted().unwrap();
}

#[test]
fn a_client_stays_at_its_backend_on_every_worker_and_through_changes() {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("v1", 50, &[a.address]).backend("v2", 50, &[b.address]);
    mesh.route.sticky = l4::Sticky::SourceIp as i32;
    // the only client is 127.0.0.1 on the way to another loopback address, or that address itself
    let one = proxy(&mesh);
    let at = name(address).unwrap();
    assert!((0..40).all(|_| name(address) == Some(at)));
    one.apply(mesh.config());
    assert_eq!(name(address), Some(at));
    drop(one);
    let other = Proxy::start(meshtcp_proxy::Options { seed: Some(99), ..support::options() }).unwrap();
    other.apply(mesh.config());
    assert_eq!(name(address), Some(at), "another process with another seed");
}
