//! Limits, timeouts, and endpoints that do not answer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::time::Duration;

use ::l4::Ending;
use meshtcp_proxy::{Options, Proxy};
use support::{
    Mesh, PATIENCE, Server, Unanswering, counters, dial, echo, free_address, options, proxy,
    read_until_reset, wait_until,
};

/// Address where nothing listens, and nothing will.
fn refusing() -> SocketAddr {
    free_address()
}

#[test]
fn a_refused_connect_is_a_reset() {
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[refusing()]));
    read_until_reset(&dial(address));
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::ConnectRefused) == Some(&1));
    assert_eq!(counters(&proxy).backends[0].endpoints[0].failed, 1);
}

#[test]
fn a_connect_without_an_answer_is_a_reset_after_the_timeout() {
    let silent = Unanswering::new();
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[silent.address]);
    mesh.clusters[0].0.connect_timeout_ms = 200;
    let proxy = proxy(&mesh);
    read_until_reset(&dial(address));
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::ConnectTimeout) == Some(&1));
}

#[test]
fn other_endpoints_are_tried_before_a_connection_is_refused() {
    let (server, silent) = (Server::named("a"), Unanswering::new());
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[refusing(), silent.address, server.address]);
    mesh.listener.max_connect_attempts = 3;
    mesh.clusters[0].0.connect_timeout_ms = 500;
    let proxy = proxy(&mesh);
    for _ in 0..6 {
        dial(address).read_exact(&mut [0]).unwrap();
    }
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!((counters(&proxy).opened(), counters(&proxy).refused()), (6, 0));
}

#[test]
fn a_client_is_heard_though_the_first_endpoint_fails_at_once() {
    let server = Server::named("a");
    let address = free_address();
    // no route leads to the broadcast address, which is reported before the socket waits for anything
    let unreachable = (std::net::Ipv4Addr::BROADCAST, 80).into();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[unreachable, server.address]);
    mesh.listener.max_connect_attempts = 2;
    let _proxy = proxy(&mesh);
    for _ in 0..4 {
        let (mut stream, mut answer) = (dial(address), [0; 5]);
        stream.write_all(b"ping").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"aping");
    }
}

#[test]
fn endpoints_of_a_higher_priority_come_after_all_of_a_lower_one() {
    let (near, far) = (Server::named("n"), Server::named("f"));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[far.address, near.address]);
    mesh.clusters[0].1.endpoints[0].priority = 1;
    let proxy = proxy(&mesh);
    for _ in 0..10 {
        dial(address).read_exact(&mut [0]).unwrap();
    }
    assert_eq!((near.accepted(), far.accepted()), (10, 0));
    mesh.clusters[0].1.endpoints[1] = xds::proto::l4::Endpoint {
        address: "127.0.0.1".into(),
        port: refusing().port().into(),
        ..Default::default()
    };
    mesh.listener.max_connect_attempts = 2;
    proxy.apply(mesh.config());
    dial(address).read_exact(&mut [0]).unwrap();
    assert_eq!(far.accepted(), 1);
}

#[test]
fn a_client_that_leaves_while_connecting_is_noticed() {
    let silent = Unanswering::new();
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[silent.address]));
    let client = dial(address);
    wait_until("it is dialling", || proxy.connections().len() == 1);
    support::reset(client);
    wait_until("it ended", || counters(&proxy).ended.get(&Ending::ClientReset) == Some(&1));
}

#[test]
fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    let server = Server::start(echo);
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.idle_timeout_ms = 1000;
    let proxy = proxy(&mesh);
    let (idle, mut busy) = (dial(address), dial(address));
    // a slow machine may pause a thread for longer than the timeout: so many tries that one is surely in time
    let ended = || counters(&proxy).ended.get(&Ending::IdleTimeout).copied().unwrap_or(0);
    wait_until("the idle one ended", || {
        let _ = busy.write_all(b"x").and_then(|()| busy.read_exact(&mut [0]));
        ended() >= 1
    });
    assert_eq!(read_until_reset(&idle), b"");
}

#[test]
fn a_full_listener_refuses_at_once_and_recovers() {
    let server = Server::named("a");
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.max_connections = 3;
    let proxy = proxy(&mesh);
    let greeted = || {
        let mut stream = dial(address);
        stream.read_exact(&mut [0]).map(|()| stream)
    };
    let living: Vec<TcpStream> = (0..3).map(|_| greeted().unwrap()).collect();
    read_until_reset(&dial(address));
    wait_until("it is counted", || counters(&proxy).ended.get(&Ending::Limit) == Some(&1));
    drop(living);
    wait_until("there is room", || counters(&proxy).active == 0);
    greeted().unwrap();
}

#[test]
fn the_proxy_has_a_bound_of_its_own() {
    let server = Server::named("a");
    let address = free_address();
    let proxy = Proxy::start(Options { max_connections: NonZeroUsize::new(2), ..options() }).unwrap();
    proxy.apply(Mesh::new(address).backend("redis", 1, &[server.address]).config());
    let mut living = Vec::new();
    for _ in 0..2 {
        let mut stream = dial(address);
        stream.read_exact(&mut [0]).unwrap();
        living.push(stream);
    }
    read_until_reset(&dial(address));
}

#[test]
fn a_connection_of_which_one_end_has_finished_is_ended_when_nothing_comes_from_the_other() {
    // it reads, and never sends anything
    let server = Server::start(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        std::thread::sleep(PATIENCE);
    });
    let address = free_address();
    let options = Options { half_closed_timeout: Some(Duration::from_millis(300)), ..options() };
    let proxy = Proxy::start(options).unwrap();
    assert!(
        proxy.apply(Mesh::new(address).backend("redis", 1, &[server.address]).config()).failed.is_empty()
    );
    let (whole, half) = (dial(address), dial(address));
    wait_until("both are there", || proxy.connections().iter().filter(|it| it.connected).count() == 2);
    half.shutdown(std::net::Shutdown::Write).unwrap();
    wait_until("the half one ended", || counters(&proxy).ended.get(&Ending::IdleTimeout) == Some(&1));
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(proxy.connections().len(), 1);
    drop(whole);
}

#[test]
fn a_silent_client_is_asked_whether_it_is_still_there() {
    let server = Server::start(echo);
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[server.address]));
    let client = dial(address);
    wait_until("it is connected", || proxy.connections().iter().any(|it| it.connected));
    // local address, remote address, state, queues, then which timer runs: 02 is that of keepalive
    let port = |address: std::net::SocketAddr| format!(":{:04X}", address.port());
    let (here, there) = (port(address), port(client.local_addr().unwrap()));
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let accepted = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let accepted = accepted.filter(|line| line[1].ends_with(&here) && line[2].ends_with(&there));
    let timers: Vec<_> = accepted.map(|line| line[5].to_owned()).collect();
    assert!(timers.len() == 1 && timers[0].starts_with("02:"), "{timers:?}");
}

#[test]
fn a_connection_that_would_come_back_to_its_listener_is_refused_at_once() {
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[address]));
    read_until_reset(&dial(address));
    wait_until("it ended", || counters(&proxy).ended.get(&Ending::ConnectRefused) == Some(&1));
    assert_eq!(counters(&proxy).accepted, 1, "it was not dialled");
}
