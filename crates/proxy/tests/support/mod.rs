//! What the tests of the data plane have in common: small configurations, servers, and waiting with a deadline.
#![allow(dead_code, unreachable_pub, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod child;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use meshtcp_proxy::{Config, Options, Proxy, ProxyName};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use xds::ResourceSet;
use xds::proto::l4;

/// How long anything may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An address that nobody listens on: a loopback address of its own for each test, so that no client's port and no
/// other test can be in the way.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = std::process::id();
    let next = NEXT.fetch_add(1, Relaxed);
    let ip = Ipv4Addr::new(127, 1 + (process % 250) as u8, (process / 250 % 250) as u8, next as u8);
    let listener = TcpListener::bind((ip, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Asks again until the answer is yes.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Connects with timeouts, so that a fault is a failed test and not a hanging one.
pub fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    stream
}

pub fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
}

/// Closes with a reset.
pub fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Reads to the end and expects a reset there; returns what came before.
pub fn read_until_reset(mut stream: &TcpStream) -> Vec<u8> {
    let mut before = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => panic!("an orderly end instead of a reset, after {} bytes", before.len()),
            Ok(bytes) => before.extend_from_slice(&chunk[..bytes]),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
                return before;
            }
        }
    }
}

/// A server that handles each connection on a thread of its own. It lives as long as the process.
pub struct Server {
    pub address: SocketAddr,
    pub accepted: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self::on(listener, handle)
    }

    pub fn on(listener: TcpListener, handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (counter, handle) = (Arc::clone(&accepted), Arc::new(handle));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Relaxed);
                patient(&stream);
                let handle = Arc::clone(&handle);
                std::thread::Builder::new().stack_size(256 << 10).spawn(move || handle(stream)).unwrap();
            }
        });
        Self { address, accepted }
    }

    /// Sends its name, then echoes until the client ends.
    pub fn named(name: &'static str) -> Self {
        Self::start(move |mut stream| {
            if stream.write_all(name.as_bytes()).is_ok() {
                echo(stream);
            }
        })
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }
}

/// A listener whose queue is full: whoever connects gets no answer.
pub struct Unanswering {
    pub address: SocketAddr,
    _sockets: Vec<OwnedFd>,
}

impl Unanswering {
    pub fn new() -> Self {
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

/// Echoes until the other end's end, then ends in order.
pub fn echo(mut stream: TcpStream) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..bytes]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// The messages of one proxy with one listener, `outbound`, and a route to some backends.
#[derive(Clone)]
pub struct Mesh {
    pub listener: l4::Listener,
    pub route: l4::Route,
    pub clusters: Vec<(l4::Cluster, l4::Endpoints)>,
}

impl Mesh {
    pub fn new(address: SocketAddr) -> Self {
        let listener = l4::Listener {
            name: "outbound".into(),
            address: address.ip().to_string(),
            port: address.port().into(),
            destination: "redis".into(),
            route: "outbound".into(),
            ..Default::default()
        };
        let origin = l4::Origin {
            kind: "MeshTCPRoute".into(),
            mesh: "default".into(),
            name: "split".into(),
            rule: "to[0].rules[0]".into(),
        };
        let route = l4::Route { name: "outbound".into(), origin: Some(origin), ..Default::default() };
        Self { listener, route, clusters: Vec::new() }
    }

    /// Adds a backend with one cluster of its own.
    pub fn backend(mut self, name: &str, weight: u32, endpoints: &[SocketAddr]) -> Self {
        let hosts: Vec<(String, u16)> = endpoints.iter().map(|at| (at.ip().to_string(), at.port())).collect();
        let hosts: Vec<(&str, u16)> = hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        self = self.hosts(name, weight, &hosts);
        self
    }

    pub fn hosts(mut self, name: &str, weight: u32, hosts: &[(&str, u16)]) -> Self {
        let reference = format!("MeshService {name}");
        self.route.backends.push(l4::Backend {
            reference,
            weight,
            cluster: name.into(),
            ..Default::default()
        });
        let endpoints = hosts.iter().map(|(host, port)| l4::Endpoint {
            address: (*host).into(),
            port: (*port).into(),
            ..Default::default()
        });
        let endpoints = l4::Endpoints { cluster: name.into(), endpoints: endpoints.collect() };
        self.clusters.push((l4::Cluster { name: name.into(), ..Default::default() }, endpoints));
        self
    }

    pub fn resources(&self) -> ResourceSet {
        let mut set = ResourceSet::default();
        set.insert_message(self.listener.name.clone(), &self.listener);
        set.insert_message(self.route.name.clone(), &self.route);
        for (cluster, endpoints) in &self.clusters {
            set.insert_message(cluster.name.clone(), cluster);
            set.insert_message(cluster.name.clone(), endpoints);
        }
        set
    }

    pub fn config(&self) -> Config {
        Config::parse(&[(ProxyName::from("web"), &self.resources())]).unwrap()
    }
}

/// Options for tests: two workers, repeatable draws.
pub fn options() -> Options {
    Options { threads: std::num::NonZeroUsize::new(2), seed: Some(7), ..Options::default() }
}

/// A running proxy with a configuration.
pub fn proxy(mesh: &Mesh) -> Proxy {
    let proxy = Proxy::start(options()).unwrap();
    let report = proxy.apply(mesh.config());
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    proxy
}

/// A proxy before one server.
pub fn before(server: &Server) -> (Proxy, SocketAddr) {
    let address = free_address();
    (proxy(&Mesh::new(address).backend("redis", 1, &[server.address])), address)
}

/// The only listener's counters.
pub fn counters(proxy: &Proxy) -> meshtcp_proxy::counters::ListenerSnapshot {
    proxy.counters().listener("web", "outbound").expect("the listener is counted").clone()
}
