//! Exhausted resources and misbehaving peers: the proxy recovers without a restart, unrelated connections are not
//! affected, and the log reports it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use ::l4::config::LogSink;
use ::l4::{Config, Ending, ProxyName};
use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, setrlimit};
use support::child::{Child, addresses_from_parent, folder_from_parent};
use support::{
    Mesh, Server, counters, dial, echo, free_address, options, proxy, read_until_reset, reset, wait_until,
};

/// Returns `true` if it still echoes.
fn lives(mut stream: &TcpStream) -> bool {
    stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).is_ok()
}

fn logging_into(folder: &Path) -> Options {
    let sink = LogSink::File(folder.join("log").to_str().unwrap().into());
    let log = ConnectionLog { sink, format: LineFormat::Text };
    Options { connection_log: Some(log), max_connections: NonZeroUsize::new(1000), ..options() }
}

/// Waits for a line of the log with all of these words.
fn awaits_line(folder: &Path, words: &[&str]) {
    let found = || {
        let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        text.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    wait_until(&format!("the log says {words:?}"), found);
}

/// Enough for twenty connections of two descriptors each, and one more: a client without a descriptor for its
/// backend.
const FEW_FILES: usize = 2 * 20 + 1;

/// Returns the limit with so many free descriptors below it: the parent of the tests may have left any number open.
fn limit_that_leaves(free: usize) -> u64 {
    let is_free = |number: &u64| !Path::new(&format!("/proc/self/fd/{number}")).exists();
    (0..).filter(is_free).nth(free).unwrap()
}

#[test]
#[ignore = "the other process of out_of_descriptors"]
fn child_with_few_descriptors() {
    run_with_few_descriptors(FEW_FILES);
}

#[test]
#[ignore = "the other process of nobody_waits_without_end_for_a_descriptor"]
fn child_with_no_descriptor_to_accept_with() {
    run_with_few_descriptors(FEW_FILES - 1);
}

fn run_with_few_descriptors(free: usize) {
    let [address, server] = addresses_from_parent()[..] else { return };
    let Some(folder) = folder_from_parent() else { return };
    let proxy = Proxy::start(logging_into(&folder)).unwrap();
    let report = proxy.apply(Mesh::new(address).backend("redis", 1, &[server]).config());
    assert!(report.failed.is_empty());
    let few = Some(limit_that_leaves(free));
    setrlimit(Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();
    std::fs::write(folder.join("ready"), "").unwrap();
    Child::wait_for_parent();
}

#[test]
fn out_of_descriptors() {
    let (server, address) = (Server::named("a"), free_address());
    let folder = tempfile::tempdir().unwrap();
    let _child = Child::in_folder("child_with_few_descriptors", &[address, server.address], folder.path());
    wait_until("it listens", || TcpStream::connect(address).is_ok());
    wait_until("it has few descriptors", || folder.path().join("ready").exists());
    let mut before = dial(address);
    before.read_exact(&mut [0]).unwrap();
    let crowd: Vec<TcpStream> = (0..100).map(|_| dial(address)).collect();
    awaits_line(folder.path(), &["ended=limit", "no socket for the backend"]);
    // open connections have what they need
    assert!(lives(&before));
    drop(crowd);
    // all have gone: the next one is served as usual
    wait_until("it recovered", || dial(address).read_exact(&mut [0]).is_ok());
    assert!(lives(&before));
}

#[test]
fn nobody_waits_without_end_for_a_descriptor() {
    let (server, address) = (Server::named("a"), free_address());
    let folder = tempfile::tempdir().unwrap();
    let child = "child_with_no_descriptor_to_accept_with";
    let _child = Child::in_folder(child, &[address, server.address], folder.path());
    wait_until("it has few descriptors", || folder.path().join("ready").exists());
    let before = dial(address);
    (&before).read_exact(&mut [0]).unwrap();
    let crowd: Vec<TcpStream> = (0..100).map(|_| dial(address)).collect();
    // all are served or refused, though none leaves
    let served = crowd.iter().filter(|stream| {
        let mut stream: &TcpStream = stream;
        match stream.read_exact(&mut [0]) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                false
            }
        }
    });
    let served = served.count();
    assert!((1..=20).contains(&served), "{served}");
    awaits_line(folder.path(), &["ended=limit", "no descriptor for the client"]);
    assert!(lives(&before));
    drop(crowd);
    wait_until("it recovered", || dial(address).read_exact(&mut [0]).is_ok());
    assert!(lives(&before));
}

/// Dials from a port that the kernel would not choose by itself.
fn dial_from(port: u16, to: SocketAddr) -> TcpStream {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
    rustix::net::connect(&socket, &to).unwrap();
    let stream = TcpStream::from(socket);
    support::patient(&stream);
    stream
}

#[test]
#[ignore = "the other process of out_of_ports"]
fn child_with_few_ports() {
    let Some(folder) = folder_from_parent() else { return };
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let listen = |port| TcpListener::bind(at(port)).unwrap();
    let (busy, other) = (Server::on(listen(1001), echo), Server::on(listen(1002), echo));
    // two listeners: to a backend that takes all ports there are, and to another one
    let first = Mesh::new(at(2001)).backend("busy", 1, &[busy.address]).resources();
    let second = Mesh::new(at(2002)).backend("other", 1, &[other.address]).resources();
    let config =
        Config::parse(&[(ProxyName::from("web"), &first), (ProxyName::from("app"), &second)]).unwrap();
    let proxy = Proxy::start(logging_into(&folder)).unwrap();
    assert!(proxy.apply(config).failed.is_empty());
    let mut port = 3000..;
    let mut open = |to: u16| dial_from(port.next().unwrap(), at(to));

    let living: Vec<TcpStream> = (0..4).map(|_| open(2001)).collect();
    assert!(living.iter().all(lives));
    read_until_reset(&open(2001));
    awaits_line(&folder, &["ended=limit", "listener=outbound", "proxy=web"]);
    assert_eq!(counters(&proxy).ended.get(&Ending::Limit), Some(&1));
    // the same ports lead to another backend, and open connections go on
    assert!(lives(&open(2002)) && living.iter().all(lives));
    living.into_iter().for_each(reset);
    wait_until("there are ports again", || lives(&open(2001)));
}

#[test]
fn out_of_ports() {
    let folder = tempfile::tempdir().unwrap();
    let prepare = "ip link set lo up && echo '50000 50003' > /proc/sys/net/ipv4/ip_local_port_range";
    let child = Child::in_network("child_with_few_ports", prepare, folder.path());
    assert!(child.succeeds(), "see above; it needs unshare and ip");
}

#[test]
fn a_storm_of_connections() {
    let (server, address) = (Server::named("a"), free_address());
    let options = Options { max_connections: NonZeroUsize::new(50), ..options() };
    let proxy = Proxy::start(options).unwrap();
    proxy.apply(Mesh::new(address).backend("redis", 1, &[server.address]).config());
    let mut before = dial(address);
    before.read_exact(&mut [0]).unwrap();
    let storm = (0..8).map(|_| {
        std::thread::spawn(move || {
            let streams: Vec<TcpStream> = (0..200).map(|_| dial(address)).collect();
            // each is served or reset: none is left waiting
            streams.iter().filter(|stream| (&mut &**stream).read_exact(&mut [0]).is_ok()).count()
        })
    });
    let storm: Vec<_> = storm.collect();
    let served: usize = storm.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(lives(&before));
    let counted = counters(&proxy);
    assert_eq!(counted.accepted, 1601);
    let refused = counted.ended.get(&Ending::Limit).copied().unwrap_or(0);
    assert!(refused > 0 && refused + served as u64 == 1600, "{refused} refused, {served} served");
    wait_until("it recovered", || dial(address).read_exact(&mut [0]).is_ok());
}

#[test]
fn a_crowd_at_one_listener_leaves_places_to_the_others() {
    let server = Server::on(TcpListener::bind("127.0.0.1:0").unwrap(), echo);
    let [crowded, other] = [free_address(), free_address()];
    let of = |address| Mesh::new(address).backend("redis", 1, &[server.address]).resources();
    let (first, second) = (of(crowded), of(other));
    let config =
        Config::parse(&[(ProxyName::from("web"), &first), (ProxyName::from("app"), &second)]).unwrap();
    let proxy = Proxy::start(Options { max_connections: NonZeroUsize::new(80), ..options() }).unwrap();
    assert!(proxy.apply(config).failed.is_empty());
    let crowd: Vec<TcpStream> = (0..90).map(|_| dial(crowded)).collect();
    assert_eq!(crowd.iter().filter(|client| lives(client)).count(), 70);
    let others: Vec<TcpStream> = (0..10).map(|_| dial(other)).collect();
    assert!(others.iter().all(lives));
    // alone it may have them all, when none are left at the other
    others.into_iter().for_each(reset);
    let config = Config::parse(&[(ProxyName::from("web"), &first)]).unwrap();
    wait_until("there is a place", || {
        assert!(proxy.apply(config.clone()).failed.is_empty());
        lives(&dial(crowded))
    });
}

const IDLE: usize = 9000;

#[test]
#[ignore = "the other process of nine_thousand_idle_connections"]
fn child_with_idle_clients() {
    let [address, backend] = addresses_from_parent()[..] else { return };
    let listener = TcpListener::bind(backend).unwrap();
    let (mut clients, mut accepted) = (Vec::new(), Vec::new());
    for _ in 0..IDLE {
        let mut client = dial(address);
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        clients.push(client);
        accepted.push(server);
    }
    Child::wait_for_parent();
    // each of them works as before
    for (client, server) in clients.iter_mut().zip(&mut accepted).step_by(90) {
        server.write_all(b"y").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn nine_thousand_idle_connections() {
    let (address, backend) = (free_address(), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[backend]);
    mesh.listener.idle_timeout_ms = 3_600_000;
    let proxy = proxy(&mesh);
    let child = Child::start("child_with_idle_clients", &[address, backend]);
    wait_until("all are there", || {
        let bytes: u64 = counters(&proxy).backends.iter().map(|backend| backend.bytes_from_clients).sum();
        bytes == IDLE as u64
    });
    assert_eq!((counters(&proxy).active, counters(&proxy).refused()), (IDLE as u64, 0));
    assert_eq!(proxy.connections().len(), IDLE);
    drop(child);
    wait_until("all ended", || counters(&proxy).active == 0);
    assert_eq!(counters(&proxy).backends[0].bytes_to_clients, IDLE as u64 / 90);
}

/// Limit on the kernel's memory for two sockets and a pipe on one path, with a margin.
const BOUND: u64 = 48 << 20;

/// Waits until a number stops changing.
fn settled(mut number: impl FnMut() -> u64) -> u64 {
    let (mut last, mut same) = (number(), 0);
    wait_until("it settles", || {
        let now = number();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same > 40
    });
    last
}

/// Writes as much as the other side takes, for a while that is long for a socket.
fn stuff(mut stream: TcpStream) {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let chunk = vec![7; 64 << 10];
    let written = loop {
        if let Err(error) = stream.write(&chunk) {
            break error;
        }
    };
    assert!(matches!(written.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{written}");
    reset(stream);
}

#[test]
fn a_backend_that_never_reads() {
    let deaf = Server::start(|stream| {
        std::thread::sleep(support::PATIENCE);
        drop(stream);
    });
    let good = Server::start(echo);
    let (address, other) = (free_address(), free_address());
    let first = Mesh::new(address).backend("deaf", 1, &[deaf.address]).resources();
    let second = Mesh::new(other).backend("good", 1, &[good.address]).resources();
    let proxy = Proxy::start(options()).unwrap();
    let config =
        Config::parse(&[(ProxyName::from("web"), &first), (ProxyName::from("app"), &second)]).unwrap();
    proxy.apply(config);
    let writer = std::thread::spawn(move || stuff(dial(address)));
    let bystander = dial(other);
    while !writer.is_finished() {
        assert!(lives(&bystander));
    }
    writer.join().unwrap();
    wait_until("it ended", || counters(&proxy).active == 0);
    let taken = counters(&proxy).backends[0].bytes_from_clients;
    assert!(taken < BOUND, "{taken} bytes were taken for a backend that reads nothing");
    assert_eq!(counters(&proxy).ended.get(&Ending::ClientReset), Some(&1));
    assert!(lives(&bystander));
}

#[test]
fn a_slow_reader_holds_up_nobody_and_no_memory() {
    const BYTES: u64 = 128 << 20;
    let spring = Server::start(|mut stream| {
        let chunk: Vec<u8> = (0..64 << 10).map(|at: u32| at as u8).collect();
        for _ in 0..BYTES / chunk.len() as u64 {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    let good = Server::start(echo);
    let address = free_address();
    let mesh = Mesh::new(address).backend("spring", 1, &[spring.address]);
    let proxy = proxy(&mesh);
    let mut slow = dial(address);
    let taken = settled(|| counters(&proxy).backends[0].bytes_to_clients);
    assert!(0 < taken && taken < BOUND, "{taken} bytes were taken for a client that reads nothing");
    // another client, through the same workers
    let mesh = Mesh { clusters: Vec::new(), ..mesh.clone() };
    let mut mesh =
        Mesh { route: xds::proto::l4::Route { backends: Vec::new(), ..mesh.route.clone() }, ..mesh };
    mesh = mesh.backend("good", 1, &[good.address]);
    proxy.apply(mesh.config());
    assert!((0..4).all(|_| lives(&dial(address))));
    let mut chunk = vec![0; 256 << 10];
    let (mut received, mut wrong) = (0u64, 0u64);
    while let Ok(bytes @ 1..) = slow.read(&mut chunk) {
        let expected = |at: usize| (received + at as u64) as u8;
        wrong +=
            chunk[..bytes].iter().enumerate().filter(|(at, byte)| **byte != expected(*at)).count() as u64;
        received += bytes as u64;
    }
    assert_eq!((received, wrong), (BYTES, 0));
}

#[test]
fn a_client_hello_byte_by_byte_is_not_waited_for_without_end() {
    let (server, address) = (Server::named("a"), free_address());
    let mut mesh = Mesh::new(address).backend("redis", 1, &[server.address]);
    mesh.listener.route.clear();
    mesh.listener.server_names = vec![xds::proto::l4::ServerName {
        pattern: "*".into(),
        route: "outbound".into(),
        ..Default::default()
    }];
    let hello_timeout = Duration::from_millis(300);
    let proxy = Proxy::start(Options { hello_timeout, ..options() }).unwrap();
    proxy.apply(mesh.config());
    let mut drip = dial(address);
    // a record of 16 KiB that never ends
    drip.write_all(&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc]).unwrap();
    wait_until("it is refused", || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = drip.write_all(&[3]);
        counters(&proxy).ended.get(&Ending::HelloTimeout) == Some(&1)
    });
}
