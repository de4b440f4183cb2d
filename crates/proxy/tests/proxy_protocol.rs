//! PROXY protocol headers from clients and to backends; ages and options of sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use ::l4::Ending;
use ::l4::health::EndpointState;
use ::l4::proxy_protocol::{Ends, Header, HeaderVersion, read_header, write_header};
use meshtcp_proxy::{Options, Proxy};
use support::hello::client_hello;
use support::{
    Mesh, Server, before, counters, dial, echo, free_address, options, proxy, read_until_reset, wait_until,
};
use xds::proto::l4::ProxyProtocol;

/// Starts a server that sends back everything it got, once the client ended.
fn mirror() -> Server {
    Server::start(|mut stream| {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let _ = stream.write_all(&all);
    })
}

/// Sends bytes one by one, ends, and returns what came back.
fn mirrored(address: SocketAddr, bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let mut stream = dial(address);
    let own = stream.local_addr().unwrap();
    for byte in bytes {
        stream.write_all(&[*byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    (own, all)
}

fn some_ends() -> Ends {
    Ends { source: "192.0.2.1:5000".parse().unwrap(), destination: "198.51.100.2:443".parse().unwrap() }
}

fn ended(proxy: &Proxy, ending: Ending) -> u64 {
    counters(proxy).ended.get(&ending).copied().unwrap_or(0)
}

#[test]
fn a_backend_is_told_who_the_client_is() {
    for (asked, version) in [(ProxyProtocol::V1, HeaderVersion::V1), (ProxyProtocol::V2, HeaderVersion::V2)] {
        let (server, address) = (mirror(), free_address());
        let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
        mesh.clusters[0].0.proxy_protocol = asked as i32;
        let proxy = proxy(&mesh);
        let (source, received) = mirrored(address, b"hello");
        let header = write_header(version, Ends { source, destination: address });
        assert_eq!(received, [&header[..], b"hello"].concat());
        wait_until("it ended", || counters(&proxy).active == 0);
        // the header is ours, not the client's
        assert_eq!(counters(&proxy).backends[0].bytes_from_clients, 5);
    }
}

#[test]
fn a_backend_that_speaks_first_got_the_header_before() {
    let (server, address) = (
        Server::start(|mut stream| {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                line.push(byte[0]);
            }
            stream.write_all(&line).unwrap();
        }),
        free_address(),
    );
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.clusters[0].0.proxy_protocol = ProxyProtocol::V1 as i32;
    let _proxy = proxy(&mesh);
    let mut greeting = String::new();
    dial(address).read_to_string(&mut greeting).unwrap();
    assert!(greeting.starts_with("PROXY TCP4 127.0.0.1 "), "{greeting}");
}

/// Starts a server that accepts only a header without a client's address (UNKNOWN or LOCAL), then `PING`, and
/// answers `PONG`.
fn strict(header: &'static [u8], question: &'static [u8]) -> Server {
    Server::start(move |mut stream| {
        let mut received = vec![0; header.len() + question.len()];
        if stream.read_exact(&mut received).is_ok() && received == [header, question].concat() {
            let _ = stream.write_all(b"PONG");
        }
    })
}

#[test]
fn a_check_begins_with_a_header_that_speaks_for_itself() {
    let versions: [(ProxyProtocol, &[u8]); 2] =
        [(ProxyProtocol::V1, b"PROXY UNKNOWN\r\n"), (ProxyProtocol::V2, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")];
    for (asked, header) in versions {
        for question in [&b"PING"[..], b""] {
            let (server, address) = (strict(header, question), free_address());
            let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
            let (cluster, _) = &mut mesh.clusters[0];
            cluster.proxy_protocol = asked as i32;
            cluster.health_check = Some(xds::proto::l4::HealthCheck {
                interval_ms: 20,
                timeout_ms: 20_000,
                unhealthy_threshold: 1,
                healthy_threshold: 1,
                send: question.to_vec(),
                receive: vec![b"PONG".to_vec()],
                ..Default::default()
            });
            let proxy = proxy(&mesh);
            let checks = || proxy.counters().clusters[0].endpoints[0].checks;
            wait_until("it was checked", || checks() >= 3);
            let health = &proxy.counters().clusters[0].endpoints[0];
            assert_eq!((health.state, health.failed_checks), (EndpointState::Up, 0), "{}", health.why);
        }
    }
}

/// Starts a listener that accepts headers, before a mirror that gets one too.
fn chained() -> (Proxy, SocketAddr) {
    let (server, address) = (mirror(), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.accept_proxy_protocol = true;
    mesh.clusters[0].0.proxy_protocol = ProxyProtocol::V2 as i32;
    (proxy(&mesh), address)
}

#[test]
fn a_header_from_a_client_names_it_and_is_passed_on() {
    let (proxy, address) = chained();
    for version in [HeaderVersion::V1, HeaderVersion::V2] {
        let sent = [&write_header(version, some_ends())[..], b"payload"].concat();
        let (_, received) = mirrored(address, &sent);
        assert_eq!(received, [&write_header(HeaderVersion::V2, some_ends())[..], b"payload"].concat());
    }
    // a sender on its own behalf
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0payload";
    let (source, received) = mirrored(address, local);
    let header = read_header(&received).unwrap().unwrap();
    assert_eq!(header, Header { length: 28, ends: Some(Ends { source, destination: address }) });

    let mut open = dial(address);
    open.write_all(&write_header(HeaderVersion::V1, some_ends())).unwrap();
    wait_until("it is known by its name", || {
        proxy.connections().iter().any(|connection| connection.client == some_ends().source)
    });
}

#[test]
fn without_a_header_a_connection_is_refused() {
    let (proxy, address) = chained();
    let mut plain = dial(address);
    plain.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    read_until_reset(&plain);
    let early = dial(address);
    early.shutdown(Shutdown::Write).unwrap();
    read_until_reset(&early);
    // longer than any timeout
    let mut long = dial(address);
    let _ = long.write_all(&[&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; 5000]].concat());
    read_until_reset(&long);
    wait_until("all are counted", || ended(&proxy, Ending::BadProxyHeader) == 3);
    assert_eq!(counters(&proxy).opened(), 0);
}

#[test]
fn an_incomplete_header_is_waited_for_no_longer_than_the_timeout() {
    let (server, address) = (mirror(), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.accept_proxy_protocol = true;
    let hello_timeout = Duration::from_millis(200);
    let proxy = Proxy::start(Options { hello_timeout, ..options() }).unwrap();
    proxy.apply(mesh.config());
    let mut slow = dial(address);
    slow.write_all(b"PROXY TCP4").unwrap();
    read_until_reset(&slow);
    wait_until("it is counted", || ended(&proxy, Ending::ProxyHeaderTimeout) == 1);
}

#[test]
fn a_client_hello_may_come_with_the_header_or_after_it() {
    let (server, address) = (mirror(), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.accept_proxy_protocol = true;
    mesh.listener.route.clear();
    mesh.listener.server_names = vec![xds::proto::l4::ServerName {
        pattern: "db.example.com".into(),
        route: "outbound".into(),
        ..Default::default()
    }];
    let _proxy = proxy(&mesh);
    let (header, hello) = (write_header(HeaderVersion::V2, some_ends()), client_hello("db.example.com"));
    let both = [&header[..], &hello].concat();
    assert_eq!(mirrored(address, &both).1, hello);
    let mut at_once = dial(address);
    at_once.write_all(&both).unwrap();
    at_once.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    at_once.read_to_end(&mut received).unwrap();
    assert_eq!(received, hello);
}

#[test]
fn a_connection_is_closed_at_its_age_though_it_is_busy() {
    let server = Server::start(echo);
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.max_age_ms = 300;
    let proxy = proxy(&mesh);
    let mut busy: TcpStream = dial(address);
    wait_until("it is closed", || busy.write_all(b"x").and_then(|()| busy.read_exact(&mut [0])).is_err());
    wait_until("it is counted", || ended(&proxy, Ending::MaxAge) == 1);
    assert_eq!(proxy.counters().cut(), 1);
}

#[test]
fn socket_options_do_not_get_in_the_way() {
    let (server, address) = (Server::named("a"), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.clusters[0].0.user_timeout_ms = 30_000;
    mesh.clusters[0].0.keepalive =
        Some(xds::proto::l4::Keepalive { idle_ms: 60_000, interval_ms: 10_000, probes: 3 });
    let _proxy = proxy(&mesh);
    dial(address).read_exact(&mut [0]).unwrap();
    let (_proxy, plain) = before(&server);
    dial(plain).read_exact(&mut [0]).unwrap();
}
