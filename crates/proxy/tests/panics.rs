//! Panics of the threads beside the workers, without effect on connections.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![cfg(debug_assertions)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ::l4::config::LogSink;
use ::l4::health::EndpointState;
use meshtcp_proxy::guard::trip;
use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
use support::{Mesh, Server, dial, free_address, options, wait_until};
use xds::proto::l4;

fn converse(client: &mut TcpStream) {
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

fn open(address: SocketAddr) -> TcpStream {
    let mut client = dial(address);
    client.read_exact(&mut [0; 1]).unwrap();
    converse(&mut client);
    client
}

#[test]
fn each_part_begins_anew_and_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sink = LogSink::File(path.to_str().unwrap().into());
    let log = Some(ConnectionLog { sink, format: LineFormat::Text });
    let proxy = Proxy::start(Options { connection_log: log, ..options() }).unwrap();
    let (server, dead, address) = (Server::named("a"), free_address(), free_address());
    let mesh = |hosts: &[(&str, u16)]| {
        let mut mesh = Mesh::new(address).hosts("redis", 1, hosts);
        mesh.clusters[0].0.health_check = Some(l4::HealthCheck {
            interval_ms: 20,
            timeout_ms: 20_000,
            unhealthy_threshold: 2,
            healthy_threshold: 1,
            ..Default::default()
        });
        mesh
    };
    let port = server.address.port();
    assert!(proxy.apply(mesh(&[("127.0.0.1", port)]).config()).failed.is_empty());
    let mut client = open(address);

    let checks = |proxy: &Proxy| -> u64 {
        let clusters = proxy.counters().clusters;
        clusters.iter().flat_map(|cluster| &cluster.endpoints).map(|endpoint| endpoint.checks).sum()
    };
    for _ in 0..3 {
        trip::wire("health-checker");
        let before = checks(&proxy);
        wait_until("endpoints are checked again", || checks(&proxy) >= before + 10);
        converse(&mut client);
    }

    trip::wire("log-writer");
    drop(open(address));
    wait_until("a line is lost or written", || {
        drop(open(address));
        std::fs::read_to_string(&path).unwrap_or_default().contains("ended=client-closed")
    });
    converse(&mut client);

    trip::wire("resolver");
    let ip = dead.ip().to_string();
    assert!(proxy.apply(mesh(&[("localhost", port), (&ip, dead.port())]).config()).failed.is_empty());
    assert!(proxy.apply(mesh(&[("localhost", port), ("ip6-localhost", 1)]).config()).failed.is_empty());
    converse(&mut client);
    assert!(proxy.apply(mesh(&[("127.0.0.1", port), (&ip, dead.port())]).config()).failed.is_empty());
    wait_until("what is down is found down", || {
        let clusters = proxy.counters().clusters;
        let mut states =
            clusters.iter().flat_map(|cluster| &cluster.endpoints).map(|endpoint| endpoint.state);
        states.any(|state| state == EndpointState::Down)
    });
    // names are resolved again
    assert!(proxy.apply(mesh(&[("localhost", port)]).config()).failed.is_empty());
    wait_until("the name is known", || {
        let mut fresh = dial(address);
        fresh.read_exact(&mut [0; 1]).is_ok()
    });
    converse(&mut client);
}
