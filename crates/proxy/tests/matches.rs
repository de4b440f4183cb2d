//! Rules with matches: by source address, which is known at once, and by server name, which is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use meshtcp_proxy::Proxy;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use support::hello::client_hello;
use support::{Mesh, Server, free_address, options, patient, wait_until};
use xds::proto::l4;

/// Limit on a client's silence where plaintext is accepted too.
const SILENCE: Duration = Duration::from_millis(300);

/// Servers that each send their letter first: for rules with matches, in this order, and `r` for the rest.
fn started(at: SocketAddr, rules: &[(&'static str, &str, &str)]) -> (Proxy, Vec<Server>) {
    let rest = Server::named("r");
    let mut mesh = Mesh::new(at).backend("rest", 1, &[rest.address]);
    let mut servers = vec![rest];
    let mut others = Vec::new();
    for (letter, server_name, source) in rules {
        let server = Server::named(letter);
        let mut route = Mesh::new(at).backend(letter, 1, &[server.address]);
        route.route.name = (*letter).into();
        others.push(route);
        let source = source.split_once('/').map(|(address, prefix)| l4::Network {
            address: address.into(),
            prefix_length: prefix.parse().unwrap(),
        });
        let server_name = (*server_name).into();
        mesh.listener.matches.push(l4::RouteMatch { route: (*letter).into(), server_name, source });
        servers.push(server);
    }
    let mut set = mesh.resources();
    for Mesh { route, clusters, .. } in &others {
        set.insert_message(route.name.clone(), route);
        set.insert_message(route.name.clone(), &clusters[0].0);
        set.insert_message(route.name.clone(), &clusters[0].1);
    }
    let proxy = Proxy::start(options()).unwrap();
    assert!(proxy.apply(::l4::Config::parse(&[("web".into(), &set)]).unwrap()).failed.is_empty());
    (proxy, servers)
}

/// Dials from a loopback address.
fn dial_from(source: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((Ipv4Addr::from(source), 0))).unwrap();
    connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    patient(&stream);
    stream
}

fn letter(mut client: &TcpStream) -> char {
    let mut letter = [0];
    client.read_exact(&mut letter).unwrap();
    char::from(letter[0])
}

#[test]
fn where_a_client_comes_from_decides_before_it_says_a_word() {
    let address = free_address();
    let rules = [("a", "", "127.5.0.0/16"), ("n", "db.example.com", ""), ("b", "", "127.6.0.0/16")];
    let (proxy, _servers) = started(address, &rules);
    let begun = Instant::now();
    assert_eq!(letter(&dial_from([127, 5, 9, 9], address)), 'a');
    assert!(begun.elapsed() < SILENCE, "nothing is awaited of who is known by its address");
    // a server name is compared before that source: so a client from there is waited for
    let begun = Instant::now();
    assert_eq!(letter(&dial_from([127, 6, 0, 1], address)), 'b');
    assert!(begun.elapsed() >= SILENCE);
    wait_until("all ended", || support::counters(&proxy).active == 0);
}

#[test]
fn a_server_name_decides_and_the_rest_goes_on_without_one() {
    let address = free_address();
    let rules =
        [("s", "*.example.com", "127.5.0.0/16"), ("n", "db.example.com", ""), ("w", "*.example.com", "")];
    let (proxy, _servers) = started(address, &rules);
    for (source, bytes, wanted) in [
        ([127, 5, 0, 1], client_hello("db.example.com"), 's'),
        ([127, 0, 0, 1], client_hello("DB.example.com"), 'n'),
        ([127, 0, 0, 1], client_hello("www.example.com"), 'w'),
        ([127, 0, 0, 1], client_hello("example.org"), 'r'),
        ([127, 5, 0, 1], b"PING\r\n".to_vec(), 'r'),
    ] {
        let mut client = dial_from(source, address);
        client.write_all(&bytes).unwrap();
        let mut back = vec![0; bytes.len()];
        assert_eq!(letter(&client), wanted);
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, bytes, "what was looked at is passed on");
    }
    // a client that waits for its server proceeds after a while of silence
    let begun = Instant::now();
    assert_eq!(letter(&dial_from([127, 0, 0, 1], address)), 'r');
    assert!(begun.elapsed() >= SILENCE);
    // one that began a hello is waited for: it has more to send
    let mut client = dial_from([127, 0, 0, 1], address);
    let bytes = client_hello("db.example.com");
    client.write_all(&bytes[..20]).unwrap();
    std::thread::sleep(SILENCE * 2);
    client.write_all(&bytes[20..]).unwrap();
    assert_eq!(letter(&client), 'n');
    wait_until("all ended", || {
        drop(client.shutdown(std::net::Shutdown::Both));
        support::counters(&proxy).active == 0
    });
}
