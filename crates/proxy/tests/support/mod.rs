//! Shared parts of the tests of the data plane: small configurations, servers, and waiting with a deadline.
#![allow(dead_code, unreachable_pub, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub mod child;
#[path = "../../../l4/tests/support/hello.rs"]
pub mod hello;
#[path = "../../../l4/tests/support/mod.rs"]
mod mesh;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub use mesh::Mesh;
use meshtcp_proxy::{Options, Proxy};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// Limit on any wait, for slow machines.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns an address where nothing listens: a loopback address of its own for each test, so that no client's port
/// and no other test can conflict.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let process = std::process::id();
    let next = NEXT.fetch_add(1, Relaxed);
    let ip = Ipv4Addr::new(127, 1 + (process % 250) as u8, (process / 250 % 250) as u8, next as u8);
    let listener = TcpListener::bind((ip, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Polls until the condition holds.
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

/// Server that handles each connection on a thread of its own. It lives as long as the process.
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

    /// Starts a server that sends its name, then echoes until the client ends.
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

/// Listener with a full queue: a client gets no answer.
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

/// Options for tests: two workers, repeatable draws.
pub fn options() -> Options {
    Options { threads: std::num::NonZeroUsize::new(2), seed: Some(7), ..Options::default() }
}

/// Starts a proxy with a configuration.
pub fn proxy(mesh: &Mesh) -> Proxy {
    let proxy = Proxy::start(options()).unwrap();
    let report = proxy.apply(mesh.config());
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    proxy
}

/// Starts a proxy before one server.
pub fn before(server: &Server) -> (Proxy, SocketAddr) {
    let address = free_address();
    (proxy(&Mesh::new(address).backend("redis", 1, &[server.address])), address)
}

/// Counters of the only listener.
pub fn counters(proxy: &Proxy) -> ::l4::counts::ListenerSnapshot {
    proxy.counters().listener("web", "outbound").expect("the listener is counted").clone()
}
