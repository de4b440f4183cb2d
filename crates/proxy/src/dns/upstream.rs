//! DNS servers of the host, with one query at a time to them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use l4::dns::Query;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::small_file;

/// Timeout of one server. All of them together take no longer than resolvers usually wait: five seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Interval at which the file of servers is checked for changes.
const LOOKS: Duration = Duration::from_secs(2);
/// Limit on the servers that are asked, as in resolvers.
const SERVERS: usize = 3;
/// Limit on the ports that a query is tried from while it comes back to us. The kernel redirects a packet as it did
/// others between the same two ends: it comes back if an application had our port, less than half a minute before,
/// for a query to the same server.
const PORTS: usize = 8;
/// Limit on the size of an answer over UDP that is passed on, in bytes: clients ask for less.
const LONGEST: usize = 8192;

/// Transport of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// Servers in a file in the format of `resolv.conf`.
pub(super) struct Upstream {
    file: Box<Path>,
    /// Own addresses, which are skipped.
    own: Vec<SocketAddr>,
    known: Mutex<Known>,
    /// Ports of the queries in flight; `true`: the query has come back.
    asking: Mutex<Vec<(u16, bool)>>,
}

#[derive(Default)]
struct Known {
    servers: Vec<SocketAddr>,
    looked: Option<Instant>,
    modified: Option<SystemTime>,
}

impl Upstream {
    pub(super) fn new(file: &Path, own: Vec<SocketAddr>) -> Self {
        Self { file: file.into(), own, known: Mutex::default(), asking: Mutex::default() }
    }

    /// Returns the servers that the file names now.
    fn servers(&self, now: Instant) -> Vec<SocketAddr> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.is_none_or(|looked| now >= looked + LOOKS) {
            known.looked = Some(now);
            let modified = std::fs::metadata(&self.file).and_then(|found| found.modified()).ok();
            if modified.is_none() || modified != known.modified {
                let text = small_file::read(&self.file).unwrap_or_default();
                known.servers = servers(&text).filter(|it| !self.own.contains(it)).take(SERVERS).collect();
                known.modified = modified;
            }
        }
        known.servers.clone()
    }

    /// Returns `true` if a query comes from this process: a forwarded query has come back.
    pub(super) fn is_own(&self, from: SocketAddr) -> bool {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let own = asking.iter_mut().find(|(port, _)| *port == from.port());
        own.map(|(_, is_back)| *is_back = true).is_some()
    }

    /// Returns the answer of the first server that has one, under the id of the query; `None`: none has.
    pub(super) async fn ask(&self, packet: &[u8], query: &Query<'_>, way: Transport) -> Option<Vec<u8>> {
        for server in self.servers(Instant::now()) {
            let id = fastrand::u16(..).to_be_bytes();
            let mut asked = packet.to_vec();
            asked[..2].copy_from_slice(&id);
            let answer = async {
                match way {
                    Transport::Udp => self.over_udp(server, &asked, query, id).await,
                    Transport::Tcp => over_tcp(server, &asked).await,
                }
            };
            let Ok(Ok(mut answer)) = timeout(PATIENCE, answer).await else { continue };
            if query.is_answered_by(&answer, id) {
                answer[..2].copy_from_slice(&query.id());
                return Some(answer);
            }
        }
        None
    }

    async fn over_udp(
        &self,
        server: SocketAddr,
        asked: &[u8],
        query: &Query<'_>,
        id: [u8; 2],
    ) -> io::Result<Vec<u8>> {
        let mut answer = self.over_udp_once(server, asked, query, id).await?;
        for _ in 1..PORTS {
            let Answered::Ourselves = answer else { break };
            answer = self.over_udp_once(server, asked, query, id).await?;
        }
        match answer {
            Answered::Server(answer) => Ok(answer),
            Answered::Ourselves => Err(io::Error::other("whatever is asked comes back")),
        }
    }

    async fn over_udp_once(
        &self,
        server: SocketAddr,
        asked: &[u8],
        query: &Query<'_>,
        id: [u8; 2],
    ) -> io::Result<Answered> {
        // a port of its own for each query: an off-path attacker cannot guess it
        let any =
            if server.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        let asking = self.asking_from(socket.local_addr()?.port());
        socket.send(asked).await?;
        let mut buffer = vec![0; LONGEST];
        loop {
            let length = socket.recv(&mut buffer).await?;
            if query.is_answered_by(&buffer[..length], id) {
                buffer.truncate(length);
                return Ok(if asking.is_back() { Answered::Ourselves } else { Answered::Server(buffer) });
            }
        }
    }

    fn asking_from(&self, port: u16) -> Asking<'_> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).push((port, false));
        Asking { upstream: self, port }
    }
}

/// Sender of an answer to a query.
enum Answered {
    Server(Vec<u8>),
    /// This process: the query has come back.
    Ourselves,
}

/// Query in flight.
struct Asking<'u> {
    upstream: &'u Upstream,
    port: u16,
}

impl Asking<'_> {
    fn is_back(&self) -> bool {
        let asking = self.upstream.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.iter().any(|(port, is_back)| *port == self.port && *is_back)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut asking = self.upstream.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = asking.iter().position(|(port, _)| *port == self.port) {
            asking.swap_remove(place);
        }
    }
}

async fn over_tcp(server: SocketAddr, asked: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, asked).await?;
    let length = usize::from(stream.read_u16().await?);
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Writes a message after its length.
pub(super) async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await
}

/// Parses the servers in a text in the format of `resolv.conf`, in their order.
pub fn servers(text: &str) -> impl Iterator<Item = SocketAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, 53))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_servers_is_read_as_resolvers_read_it() {
        let text = "# nameserver 9.9.9.9\nsearch example.com\n nameserver  10.0.0.1 # first\nnameserver fd00::1\n\
                    nameserver fe80::1%eth0\nnameserver\noptions ndots:5\nnameserver 10.0.0.2";
        let found: Vec<String> = servers(text).map(|server| server.to_string()).collect();
        assert_eq!(found, ["10.0.0.1:53", "[fd00::1]:53", "10.0.0.2:53"]);
    }

    #[test]
    fn we_are_none_of_our_own_servers_and_changes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        std::fs::write(&file, "nameserver 127.0.0.1\nnameserver 10.0.0.1").unwrap();
        let upstream = Upstream::new(&file, vec!["127.0.0.1:53".parse().unwrap()]);
        let now = Instant::now();
        assert_eq!(upstream.servers(now), ["10.0.0.1:53".parse().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(upstream.servers(now).len(), 1, "it is not looked each time");
        assert_eq!(upstream.servers(now + LOOKS), []);
    }
}
