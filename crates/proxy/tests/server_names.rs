//! TLS passthrough: routing by the server name of the client hello, without changing a byte of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use ::l4::Ending;
use meshtcp_proxy::{Options, Proxy};
use support::hello::client_hello;
use support::{Mesh, Server, counters, dial, echo, free_address, options, read_until_reset, wait_until};
use xds::proto::l4;

/// Gateway whose patterns lead to a server each, which sends the pattern's letter and echoes.
fn gateway(address: SocketAddr, hello_timeout: Duration) -> (Proxy, Vec<Server>) {
    let mut mesh = Mesh::new(address);
    mesh.listener.route = String::new();
    mesh.listener.direction = l4::Direction::Gateway.into();
    let mut set = mesh.resources();
    let mut servers = Vec::new();
    for (letter, pattern) in [("x", "db.example.com"), ("w", "*.example.com"), ("l", "*.eu.example.com")] {
        let server = Server::named(letter);
        let mut route = Mesh::new(address).backend(letter, 1, &[server.address]);
        route.route.name = letter.into();
        set.insert_message(letter, &route.route);
        set.insert_message(letter, &route.clusters[0].0);
        set.insert_message(letter, &route.clusters[0].1);
        mesh.listener.server_names.push(l4::ServerName {
            pattern: pattern.into(),
            route: letter.into(),
            ..Default::default()
        });
        servers.push(server);
    }
    set.insert_message("outbound", &mesh.listener);
    let config = ::l4::Config::parse(&[("web".into(), &set)]).unwrap();
    let proxy = Proxy::start(Options { hello_timeout, ..options() }).unwrap();
    assert!(proxy.apply(config).failed.is_empty());
    (proxy, servers)
}

#[test]
fn the_most_exact_name_wins_and_every_byte_passes() {
    let address = free_address();
    let (proxy, _servers) = gateway(address, support::PATIENCE);
    for (name, letter) in [
        ("db.example.com", b'x'),
        ("DB.Example.Com", b'x'),
        ("web.example.com", b'w'),
        ("a.b.example.com", b'w'),
        ("web.eu.example.com", b'l'),
    ] {
        let mut client = dial(address);
        let bytes = [client_hello(name), b"early data".to_vec()].concat();
        client.write_all(&bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        assert_eq!((back[0], &back[1..]), (letter, &bytes[..]), "{name}");
    }
    wait_until("all ended", || counters(&proxy).active == 0);
}

#[test]
fn a_hello_in_single_bytes_is_awaited() {
    let address = free_address();
    let (_proxy, _servers) = gateway(address, support::PATIENCE);
    let mut client = dial(address);
    let bytes = client_hello("db.example.com");
    for byte in &bytes {
        client.write_all(&[*byte]).unwrap();
    }
    let mut back = vec![0; bytes.len() + 1];
    client.read_exact(&mut back).unwrap();
    assert_eq!((back[0], &back[1..]), (b'x', &bytes[..]));
}

#[test]
fn what_nobody_asked_for_is_refused() {
    let address = free_address();
    let (proxy, servers) = gateway(address, support::PATIENCE);
    for (bytes, ending) in [
        (client_hello("example.com"), Ending::NoServerName),
        (client_hello(None::<&str>), Ending::NoServerName),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Ending::BadHello),
    ] {
        let mut client = dial(address);
        client.write_all(&bytes).unwrap();
        assert_eq!(read_until_reset(&client), b"");
        wait_until("it is counted", || counters(&proxy).ended.contains_key(&ending));
    }
    assert!(servers.iter().all(|server| server.accepted() == 0));
}

/// Sends every kind of part of a hello, and expects a reset and no other byte for each.
fn send_parts(address: SocketAddr, then: impl Fn(&TcpStream) + Sync) {
    let bytes = client_hello("db.example.com");
    thread::scope(|scope| {
        for cut in [0, 1, 5, 40, bytes.len() - 1] {
            let (part, then) = (&bytes[..cut], &then);
            scope.spawn(move || {
                let mut client = dial(address);
                client.write_all(part).unwrap();
                then(&client);
                assert_eq!(read_until_reset(&client), b"");
            });
        }
    });
}

#[test]
fn a_client_that_ends_within_its_hello_gets_no_route() {
    let address = free_address();
    let (proxy, servers) = gateway(address, support::PATIENCE);
    send_parts(address, |client| client.shutdown(Shutdown::Write).unwrap());
    wait_until("all are counted", || counters(&proxy).ended.get(&Ending::BadHello) == Some(&5));
    assert!(servers.iter().all(|server| server.accepted() == 0));
}

#[test]
fn a_client_that_stops_within_its_hello_gets_no_route() {
    let address = free_address();
    let (proxy, servers) = gateway(address, Duration::from_millis(300));
    send_parts(address, |_| {});
    wait_until("all are counted", || counters(&proxy).ended.get(&Ending::HelloTimeout) == Some(&5));
    assert!(servers.iter().all(|server| server.accepted() == 0));
}

#[test]
fn a_default_route_takes_what_no_name_claims() {
    let (named, other) = (Server::named("n"), Server::start(echo));
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("other", 1, &[other.address]);
    mesh.listener.server_names.push(l4::ServerName {
        pattern: "db.example.com".into(),
        route: "named".into(),
        ..Default::default()
    });
    let mut set = mesh.resources();
    let mut route = Mesh::new(address).backend("named", 1, &[named.address]);
    route.route.name = "named".into();
    set.insert_message("named", &route.route);
    set.insert_message("named", &route.clusters[0].0);
    set.insert_message("named", &route.clusters[0].1);
    let proxy = Proxy::start(options()).unwrap();
    proxy.apply(::l4::Config::parse(&[("web".into(), &set)]).unwrap());
    let bytes = client_hello("else.example.com");
    let mut client = dial(address);
    client.write_all(&bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}
