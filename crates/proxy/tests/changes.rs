//! Changes of configuration: live connections are not affected.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use ::l4::{Config, Ending, ProxyName};
use meshtcp_proxy::Proxy;
use support::{Mesh, Server, counters, dial, free_address, options, proxy, read_until_reset, wait_until};

fn exchange(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).unwrap();
    let mut back = vec![0; message.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, message);
}

/// Connects and reads the name that the server sends first.
fn greeted(address: SocketAddr) -> TcpStream {
    let mut stream = dial(address);
    stream.read_exact(&mut [0]).unwrap();
    stream
}

#[test]
fn a_hundred_changes_cut_nothing() {
    let servers = [Server::named("a"), Server::named("b"), Server::named("c")];
    let address = free_address();
    let mesh = |round: u32| {
        let weight = |server: u32| round.wrapping_mul(37 * (server + 1)) % 100 + 1;
        let mut mesh = Mesh::new(address);
        for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
            // every third round a backend is gone, every fifth another has other endpoints
            if round as usize % 9 == index * 3 {
                continue;
            }
            let target = if round.is_multiple_of(5) { &servers[(index + 1) % 3] } else { &servers[index] };
            mesh = mesh.backend(name, weight(index as u32), &[target.address]);
        }
        mesh
    };
    let proxy = proxy(&mesh(1));
    let mut living: Vec<TcpStream> = (0..60).map(|_| greeted(address)).collect();
    for round in 0..100 {
        let report = proxy.apply(mesh(round).config());
        assert_eq!((report.kept.len(), report.opened.len(), report.closed.len()), (1, 0, 0));
        living.push(greeted(address));
        for stream in &living {
            exchange(stream, format!("round {round}").as_bytes());
        }
    }
    assert_eq!(proxy.connections().len(), living.len());
    assert_eq!((proxy.counters().cut(), counters(&proxy).refused(), counters(&proxy).active), (0, 0, 160));
    drop(living);
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!(counters(&proxy).ended.keys().copied().collect::<Vec<_>>(), [Ending::ClientClosed]);
}

#[test]
fn a_connection_keeps_the_decision_it_was_born_with() {
    let (a, b) = (Server::named("a"), Server::named("b"));
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("v1", 1, &[a.address]));
    let first = greeted(address);
    proxy.apply(Mesh::new(address).backend("v2", 1, &[b.address]).config());
    let second = greeted(address);
    exchange(&first, b"still here");
    exchange(&second, b"new here");
    let connections = proxy.connections();
    let backends: Vec<&str> =
        connections.iter().map(|connection| connection.backend.as_deref().unwrap()).collect();
    assert_eq!(
        connections.iter().map(|connection| connection.generation).collect::<Vec<_>>().iter().sum::<u64>(),
        3
    );
    assert!(backends.contains(&"MeshService v1") && backends.contains(&"MeshService v2"), "{backends:?}");
    let connection = &connections[0];
    assert_eq!(connection.origin.as_ref().unwrap().name, "split");
    assert!(connection.connected && connection.draw.is_some() && connection.bytes_from_client > 0);
}

#[test]
fn a_removed_listener_accepts_no_more_and_its_connections_go_on() {
    let server = Server::named("a");
    let (address, other) = (free_address(), free_address());
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[server.address]));
    let living = greeted(address);
    let report = proxy.apply(Mesh::new(other).backend("redis", 1, &[server.address]).config());
    assert_eq!((report.opened.len(), report.closed.len(), report.kept.len()), (1, 1, 0));
    assert!(TcpStream::connect(address).is_err());
    exchange(&living, b"still here");
    let report = proxy.apply(Config::default());
    assert_eq!((report.closed.len(), proxy.counters().active()), (1, 1));
    exchange(&living, b"and still");
    drop(living);
    wait_until("it ended", || proxy.counters().active() == 0);
}

#[test]
fn a_listener_that_moves_to_another_proxy_refuses_nobody() {
    let server = Server::named("a");
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[server.address]));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut connections = 0;
                    while !stop.load(Relaxed) {
                        exchange(&greeted(address), b"hello");
                        connections += 1;
                    }
                    connections
                })
            })
            .collect();
        for round in 0..100 {
            let mut mesh = Mesh::new(address).backend("redis", 1 + round, &[server.address]);
            mesh.listener.name = format!("outbound-{}", round % 3);
            let name = ProxyName::from(["web", "api"][round as usize % 2]);
            let report = proxy.apply(Config::parse(&[(name, &mesh.resources())]).unwrap());
            assert_eq!(report.kept.len(), 1);
            thread::yield_now();
        }
        wait_until("clients were served", || server.accepted() > 20);
        stop.store(true, Relaxed);
        let connections: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(connections > 0);
    });
}

#[test]
fn an_address_in_use_is_reported_and_the_rest_goes_live() {
    let server = Server::named("a");
    let (taken, free) = (free_address(), free_address());
    let owner = TcpListener::bind(taken).unwrap();
    let mut mesh = Mesh::new(taken).backend("redis", 1, &[server.address]);
    let mut set = mesh.resources();
    mesh.listener.name = "other".into();
    mesh.listener.address = free.ip().to_string();
    mesh.listener.port = free.port().into();
    set.insert_message("other", &mesh.listener);
    let config = Config::parse(&[(ProxyName::from("web"), &set)]).unwrap();
    let proxy = Proxy::start(options()).unwrap();
    let report = proxy.apply(config.clone());
    assert_eq!((report.opened.len(), report.failed.len()), (1, 1));
    let told = report.failed[0].to_string();
    assert!(told.contains("outbound") && told.contains("web") && told.contains(&taken.to_string()), "{told}");
    greeted(free);

    drop(owner);
    let report = proxy.apply(config);
    assert_eq!((report.opened.len(), report.kept.len(), report.failed.len()), (1, 1, 0));
    greeted(taken);
}

#[test]
fn a_listener_that_cannot_move_stays_where_it_was() {
    let server = Server::named("a");
    let (before, taken) = (free_address(), free_address());
    let _owner = TcpListener::bind(taken).unwrap();
    let proxy = proxy(&Mesh::new(before).backend("redis", 1, &[server.address]));
    let report = proxy.apply(Mesh::new(taken).backend("redis", 1, &[server.address]).config());
    assert_eq!(report.failed[0].kept_at, Some(before));
    assert!(report.closed.is_empty());
    greeted(before);
}

#[test]
fn a_second_proxy_cannot_share_a_port_by_accident() {
    let server = Server::named("a");
    let address = free_address();
    let mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    let _first = proxy(&mesh);
    let second = Proxy::start(options()).unwrap();
    assert_eq!(second.apply(mesh.config()).failed.len(), 1);
}

#[test]
fn two_listeners_on_one_address_are_an_error_that_names_both() {
    let address = free_address();
    let mesh = Mesh::new(address).backend("redis", 1, &[address]);
    let mut other = mesh.clone();
    other.listener.name = "inbound".into();
    let (one, two) = (mesh.resources(), other.resources());
    let problems =
        Config::parse(&[(ProxyName::from("web"), &one), (ProxyName::from("api"), &two)]).unwrap_err();
    let told = problems.to_string();
    for word in ["web", "outbound", "api", "inbound", &address.to_string()] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut mesh = Mesh::new(free_address()).backend("redis", 1, &[]);
    mesh.listener.port = 70_000;
    mesh.listener.address = "nowhere".into();
    mesh.route.backends[0].cluster = "gone".into();
    mesh.clusters[0].1.endpoints.push(xds::proto::l4::Endpoint { address: "?".into(), ..Default::default() });
    let problems = Config::parse(&[(ProxyName::from("web"), &mesh.resources())]).unwrap_err();
    assert_eq!(problems.iter().count(), 5, "{problems}");
}

#[test]
fn draining_lets_connections_end_and_closes_the_rest() {
    let server = Server::named("a");
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[server.address]));
    let (ends, stays) = (greeted(address), greeted(address));
    thread::scope(|scope| {
        let drain = scope.spawn(|| proxy.drain(Duration::from_secs(5)));
        wait_until("nobody listens", || TcpStream::connect(address).is_err());
        exchange(&ends, b"goodbye");
        drop(ends);
        exchange(&stays, b"not me");
        read_until_reset(&stays);
        let report = drain.join().unwrap();
        // connections made while checking whether anything listens ended by themselves too
        assert!(report.ended >= 1 && report.closed == 1, "{report:?}");
    });
    assert_eq!(proxy.counters().cut(), 1);
    assert_eq!(proxy.apply(Mesh::new(address).config()).failed.len(), 1);
}

#[test]
fn draining_without_connections_returns_at_once() {
    let server = Server::named("a");
    let address = free_address();
    let proxy = proxy(&Mesh::new(address).backend("redis", 1, &[server.address]));
    let report = proxy.drain(Duration::from_secs(3600));
    assert_eq!((report.ended, report.closed), (0, 0));
}

#[test]
fn a_proxy_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Proxy>();
}
