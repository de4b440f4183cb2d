//! DNS server beside the proxy, for the host names of the mesh.
//!
//! ```text
//!  query ──read──▶ a name of the mesh? ── yes ─▶ its virtual IPs
//!                                      └─ no ──▶ the servers of the host, and their answer as it is
//! ```
//!
//! It runs on a thread of its own and reads the configuration that the proxy carries: no connection waits for it.
//! It is stateless: answers of the host's servers are neither cached nor changed.

mod upstream;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use l4::config::HostNames;
use l4::dns::{self as message, Code, Message, RecordType, UDP};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
pub use upstream::servers;
use upstream::{Transport, Upstream, write_framed};

use crate::Proxy;
use crate::counters::{Outcome, QueryCounts};
use crate::guard::{Part, again};
use crate::published::Published;

/// Time to live of answers, in seconds. A virtual IP never changes, a name may be removed: half a minute later no
/// client dials it any more. Kuma's is the same.
const TTL: u32 = 30;
/// Suffixes of the mesh: names below them that do not exist are not forwarded.
const SUFFIXES: [&str; 2] = ["mesh.local", "mesh"];
/// Limit on queries in flight to servers of the host, and on open connections of clients.
const FORWARDED: usize = 512;
const CONNECTIONS: usize = 64;
/// Idle timeout of a client's connection.
const IDLE: Duration = Duration::from_secs(10);
/// Pause of a socket after an error.
const PAUSE: Duration = Duration::from_millis(20);
/// Limit on the queries of one connection.
const QUERIES: usize = 128;
/// Limit on the size of a query over UDP, in bytes.
const LONGEST_QUERY: usize = 4096;

/// Sockets of a server at one address, which a successor may take over.
#[derive(Debug)]
pub struct DnsSockets {
    /// Address where they are bound.
    pub address: SocketAddr,
    /// Socket for queries over UDP.
    pub udp: std::net::UdpSocket,
    /// Socket for queries over TCP.
    pub tcp: std::net::TcpListener,
}

impl DnsSockets {
    /// Binds both.
    ///
    /// # Errors
    /// The address cannot be bound for UDP and TCP.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        let tcp = std::net::TcpListener::bind(address).map_err(named)?;
        let address = tcp.local_addr()?;
        let udp = std::net::UdpSocket::bind(address).map_err(named)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        Ok(Self { address, udp, tcp })
    }

    /// Duplicates the sockets.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { address: self.address, udp: self.udp.try_clone()?, tcp: self.tcp.try_clone()? })
    }
}

/// Running server. It stops when dropped.
pub struct Dns {
    sockets: Vec<DnsSockets>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// State by which queries are answered.
struct Responder {
    published: Arc<Published>,
    upstream: Upstream,
    counts: Arc<QueryCounts>,
    forwarded: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Dns {
    /// Starts answering at these sockets by the configuration that `proxy` carries; everything else by the servers
    /// in `resolv_conf`, which is read again when it changes.
    ///
    /// # Errors
    /// A thread or a descriptor is not available.
    pub fn start(proxy: &Proxy, sockets: Vec<DnsSockets>, resolv_conf: &Path) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = sockets.iter().map(|it| it.address).collect();
        let served = sockets.iter().map(DnsSockets::try_clone).collect::<io::Result<Vec<_>>>()?;
        let published = proxy.published();
        let counts = Arc::clone(published.dns.get_or_init(Arc::default));
        let responder = Arc::new(Responder {
            published,
            upstream: Upstream::new(resolv_conf, addresses),
            counts,
            forwarded: Arc::new(Semaphore::new(FORWARDED)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, mut stopped) = oneshot::channel::<()>();
        let serve = move || {
            again(Part::Dns, || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(&responder, &served) => {}
                        _ = &mut stopped => {}
                    }
                });
            });
        };
        let thread = std::thread::Builder::new().name("dns".into()).spawn(serve)?;
        Ok(Self { sockets, stop: Some(stop), thread: Some(thread) })
    }

    /// Sockets that it answers at, in the given order.
    pub fn sockets(&self) -> &[DnsSockets] {
        &self.sockets
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // a panic in it was reported
            let _ = thread.join();
        }
    }
}

async fn serve(responder: &Arc<Responder>, sockets: &[DnsSockets]) {
    let mut servers = JoinSet::new();
    for DnsSockets { address, udp, tcp } in sockets {
        let both = udp
            .try_clone()
            .and_then(UdpSocket::from_std)
            .and_then(|udp| Ok((udp, tcp.try_clone().and_then(TcpListener::from_std)?)));
        match both {
            Ok((udp, tcp)) => {
                servers.spawn(serve_udp(Arc::clone(responder), Arc::new(udp)));
                servers.spawn(serve_tcp(Arc::clone(responder), tcp));
            }
            Err(error) => tracing::error!(%address, %error, "no DNS is served there"),
        }
    }
    // a panic in one ends all, and they are restarted
    while let Some(ended) = servers.join_next().await {
        if let Err(panicked) = ended {
            std::panic::resume_unwind(panicked.into_panic());
        }
    }
}

async fn serve_udp(responder: Arc<Responder>, socket: Arc<UdpSocket>) {
    let mut asking = JoinSet::new();
    let mut buffer = vec![0; LONGEST_QUERY];
    loop {
        while asking.try_join_next().is_some() {}
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // e.g. a client has gone, which is reported to the next receive
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let packet = &buffer[..length];
        match responder.look(packet, from, UDP) {
            LookupOutcome::Answer(answer) => drop(socket.send_to(&answer, from).await),
            LookupOutcome::Nothing => {}
            LookupOutcome::Forward(permit) => {
                let (responder, socket, packet) =
                    (Arc::clone(&responder), Arc::clone(&socket), packet.to_vec());
                asking.spawn(async move {
                    let answer = responder.forward(&packet, Transport::Udp, permit).await;
                    drop(socket.send_to(&answer, from).await);
                });
            }
        }
    }
}

async fn serve_tcp(responder: Arc<Responder>, listener: TcpListener) {
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&responder.connections).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, from)) => {
                let responder = Arc::clone(&responder);
                clients.spawn(async move {
                    // a client that goes away is not an error
                    let _ = converse(&responder, stream, from).await;
                    drop(permit);
                });
            }
            // out of descriptors, most likely
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Answers the queries of one connection, one after the other.
async fn converse(responder: &Responder, mut stream: TcpStream, from: SocketAddr) -> io::Result<()> {
    for _ in 0..QUERIES {
        let packet = timeout(IDLE, async {
            let mut packet = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut packet).await?;
            io::Result::Ok(packet)
        });
        let packet = packet.await??;
        let answer = match responder.look(&packet, from, usize::from(u16::MAX)) {
            LookupOutcome::Answer(answer) => answer,
            LookupOutcome::Nothing => return Ok(()),
            LookupOutcome::Forward(permit) => responder.forward(&packet, Transport::Tcp, permit).await,
        };
        timeout(IDLE, write_framed(&mut stream, &answer)).await??;
    }
    Ok(())
}

/// Result of looking at a packet.
enum LookupOutcome {
    Nothing,
    Answer(Vec<u8>),
    Forward(OwnedSemaphorePermit),
}

impl Responder {
    /// Looks at a packet; an answer has at most `most` bytes.
    fn look(&self, packet: &[u8], from: SocketAddr, most: usize) -> LookupOutcome {
        let query = match message::read(packet) {
            Message::Query(query) => query,
            Message::Noise => {
                self.counts.count(Outcome::Malformed);
                return LookupOutcome::Nothing;
            }
            Message::Wrong(code) => {
                self.counts.count(Outcome::Malformed);
                return LookupOutcome::Answer(message::refusal(packet, code));
            }
        };
        let config = self.published.config.load();
        let (outcome, code, addresses) = match known(config.names(), query.name.as_deref()) {
            Known::Ours(addresses) => (Outcome::Answered, Code::Fine, addresses),
            Known::Absent => (Outcome::NoSuchName, Code::NoSuchName, &[][..]),
            Known::Foreign if self.upstream.is_own(from) => (Outcome::Loop, Code::Failed, &[][..]),
            Known::Foreign => match Arc::clone(&self.forwarded).try_acquire_owned() {
                Ok(permit) => return LookupOutcome::Forward(permit),
                Err(_) => (Outcome::Overload, Code::Failed, &[][..]),
            },
        };
        let answer = query.answer(code, addresses, TTL, most);
        let has_some = addresses.iter().any(|address| match query.sort {
            RecordType::A => address.is_ipv4(),
            RecordType::Aaaa => address.is_ipv6(),
            RecordType::Any => true,
            RecordType::Other => false,
        });
        let is_without = outcome == Outcome::Answered && !has_some;
        self.counts.count(if is_without { Outcome::NoData } else { outcome });
        LookupOutcome::Answer(answer)
    }

    /// Returns the answer of a server of the host.
    async fn forward(&self, packet: &[u8], way: Transport, _permit: OwnedSemaphorePermit) -> Vec<u8> {
        let Message::Query(query) = message::read(packet) else {
            return message::refusal(packet, Code::Malformed);
        };
        match self.upstream.ask(packet, &query, way).await {
            Some(answer) => {
                self.counts.count(Outcome::Forwarded);
                answer
            }
            None => {
                self.counts.count(Outcome::Failed);
                query.answer(Code::Failed, &[], 0, UDP)
            }
        }
    }
}

/// Owner of a name.
enum Known<'c> {
    /// The mesh, with these addresses, or none where it is only a parent of names that have some.
    Ours(&'c [IpAddr]),
    /// The mesh, where it does not exist.
    Absent,
    /// Not the mesh.
    Foreign,
}

fn known<'c>(names: &'c HostNames, name: Option<&str>) -> Known<'c> {
    let Some(name) = name else { return Known::Foreign };
    if let Some(addresses) = names.addresses(name) {
        return Known::Ours(addresses);
    }
    let is_below =
        |suffix: &str| name.strip_suffix(suffix).is_some_and(|left| left.is_empty() || left.ends_with('.'));
    match SUFFIXES.into_iter().any(is_below) {
        true if names.is_above_some(name) => Known::Ours(&[]),
        true => Known::Absent,
        false => Known::Foreign,
    }
}
