//! Limits, timeouts, and endpoints that do not answer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;

use meshtcp_proxy::{Ending, Options, Proxy};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use support::{
    Mesh, Server, counters, dial, echo, free_address, options, proxy, read_until_reset, wait_until,
};

/// An address that nobody listens on, and nobody will.
fn refusing() -> SocketAddr {
    free_address()
}

/// A listener whose queue is full: whoever connects gets no answer.
struct Unanswering {
    address: SocketAddr,
    _sockets: Vec<OwnedFd>,
}

impl Unanswering {
    fn new() -> Self {
        let socket = || {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
        };
        let listener = socket();
        rustix::net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&listener).unwrap()).unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let client = socket();
            let _ = rustix::net::connect(&client, &address);
            sockets.push(client);
        }
        Self { address, _sockets: sockets }
    }
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

const CHILD_ADDRESSES: &str = "MESHTCP_TEST_CHILD_ADDRESSES";

/// Runs one of the ignored tests of this program in a process of its own, until the returned value is dropped.
struct Child(std::process::Child);

impl Child {
    fn start(test: &str, addresses: &[SocketAddr]) -> Self {
        let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture"]).env(CHILD_ADDRESSES, addresses.join(","));
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// In the child: waits until the parent has enough.
    fn wait_for_parent() {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// In the child: what the parent said; nothing when there is no parent, because somebody runs ignored tests.
fn addresses_from_parent() -> Vec<SocketAddr> {
    let Ok(addresses) = std::env::var(CHILD_ADDRESSES) else { return Vec::new() };
    addresses.split(',').map(|address| address.parse().unwrap()).collect()
}

const IDLE: usize = 5000;

#[test]
#[ignore = "the other process of five_thousand_idle_connections"]
fn child_with_idle_clients() {
    let [address] = addresses_from_parent()[..] else { return };
    let mut clients = Vec::new();
    for _ in 0..IDLE {
        let mut client = dial(address);
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        clients.push(client);
    }
    Child::wait_for_parent();
}

#[test]
fn five_thousand_idle_connections() {
    // the backend keeps what it accepts and answers one byte, without a thread for each
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let backend = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            support::patient(&stream);
            let mut byte = [0];
            if stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {
                kept.push(stream);
            }
            if kept.len() == IDLE {
                // until the clients are gone
                let _ = kept.last_mut().unwrap().read(&mut byte);
                return;
            }
        }
    });
    let address = free_address();
    let mut mesh = Mesh::new(address).backend("redis", 1, &[backend]);
    mesh.listener.idle_timeout_ms = 3_600_000;
    let proxy = proxy(&mesh);
    let child = Child::start("child_with_idle_clients", &[address]);
    wait_until("all are there", || counters(&proxy).active == IDLE as u64);
    assert_eq!(counters(&proxy).refused(), 0);
    assert_eq!(proxy.connections().len(), IDLE);
    drop(child);
    wait_until("all ended", || counters(&proxy).active == 0);
}

const FEW_FILES: u64 = 60;

#[test]
#[ignore = "the other process of out_of_descriptors_is_survived"]
fn child_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let [address, server] = addresses_from_parent()[..] else { return };
    let few = Rlimit { current: Some(FEW_FILES), maximum: Some(FEW_FILES) };
    setrlimit(Resource::Nofile, few).unwrap();
    let proxy = Proxy::start(Options { max_connections: NonZeroUsize::new(1000), ..options() }).unwrap();
    let report = proxy.apply(Mesh::new(address).backend("redis", 1, &[server]).config());
    assert!(report.failed.is_empty());
    Child::wait_for_parent();
}

#[test]
fn out_of_descriptors_is_survived() {
    let (server, address) = (Server::named("a"), free_address());
    let _child = Child::start("child_with_few_descriptors", &[address, server.address]);
    wait_until("it listens", || TcpStream::connect(address).is_ok());
    let crowd: Vec<TcpStream> = (0..100).map(|_| dial(address)).collect();
    wait_until("some of them are served", || server.accepted() > 10);
    drop(crowd);
    // everyone is gone: the next one is served as if nothing had happened
    wait_until("it recovered", || dial(address).read_exact(&mut [0]).is_ok());
}
