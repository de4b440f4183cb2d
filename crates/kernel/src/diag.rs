//! Sockets of this network namespace as reported by the kernel (`sock_diag(7)`), and their termination.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const FAILED: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const ALL: u16 = 0x300;
const FAMILY_4: u8 = 2;
const FAMILY_6: u8 = 10;
const TCP: u8 = 6;
/// `struct tcp_info`, as a bit of a request and as an attribute type.
const INFO: u16 = 2;
/// Attributes about what programs keep of a socket: in a question, by a table; in an answer; and in that, the value of one
/// table.
const ASKS_KEPT: u16 = 2;
const OF_TABLE: u16 = 1;
const KEPT: u16 = 20;
const KEPT_IN_TABLE: u16 = 1;
const VALUE: u16 = 3;
/// Flag of an attribute that contains others.
const NESTED: u16 = 1 << 15;
/// Established, closing from either end, or waiting for the last of it.
const LIVE: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;
const HEADER: usize = 16;
/// Length of the part of a socket in front of its attributes, behind the header, in bytes.
const SOCKET: usize = 72;
/// Offset of the cookie in that part.
const COOKIE: usize = 44;
/// Offsets in `struct tcp_info` of the milliseconds since data was sent, and since some was received.
const LAST: [usize; 2] = [44, 52];
/// Offsets in it of the bytes that were received, that were sent, and that were retransmitted.
const BYTES: [usize; 3] = [128, 200, 208];

/// Two ends of a socket, and its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) here: SocketAddr,
    pub(crate) there: SocketAddr,
    pub(crate) cookie: u64,
}

/// Activity of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Time without activity.
    pub(crate) quiet: Duration,
    /// Bytes sent, and bytes received.
    pub(crate) bytes: [u64; 2],
}

/// Netlink socket for requests of `sock_diag(7)`.
pub(crate) struct Diag(OwnedFd);

impl Diag {
    /// Opens one for the sockets of a network namespace, given a path to it. Sends no request yet.
    pub(crate) fn open_in(network: &Path) -> io::Result<Self> {
        let network = File::open(network)?;
        let open = move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            let flags = SocketFlags::CLOEXEC;
            socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))
        };
        // a short-lived thread: a socket stays in the namespace of its creation, and no other thread has to enter it
        let opened = std::thread::Builder::new().name("sock-diag".into()).spawn(open)?.join();
        Ok(Self(opened.map_err(|_| io::Error::other("the thread that opens it has ended"))??))
    }

    /// Returns `true` if connections can be ended: that requires a capability, and a kernel built with it.
    pub(crate) fn ends(&self) -> bool {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
        let asked = self.destroy(&Socket { here: nobody, there: nobody, cookie: 1 });
        asked.is_err_and(|errno| errno == Errno::NOENT)
    }

    /// Ends a connection: this end learns that it was aborted, the other is reset.
    pub(crate) fn destroy(&self, socket: &Socket) -> Result<(), Errno> {
        let family = if socket.here.is_ipv4() { FAMILY_4 } else { FAMILY_6 };
        self.ask(DESTROY, REQUEST | ACKNOWLEDGE, &question(family, 0, Some(socket)))?;
        let mut answer = [0; 1024];
        let (_, length) = recv(&self.0, &mut answer[..], RecvFlags::empty())?;
        match messages(answer.get(..length).unwrap_or_default()).next() {
            Some((FAILED, body)) => failed(body),
            Some(_) | None => Err(Errno::PROTO),
        }
    }

    /// Activity of each socket, by its cookie.
    pub(crate) fn moved(&self) -> Result<BTreeMap<u64, Moved>, Errno> {
        let mut moved = BTreeMap::new();
        for family in [FAMILY_4, FAMILY_6] {
            self.ask(BY_FAMILY, REQUEST | ALL, &question(family, INFO as u8, None))?;
            self.read_all(|body| moved.extend(moved_of(body)))?;
        }
        Ok(moved)
    }

    /// Values that a table of programs has of live sockets, each with the socket's own address.
    pub(crate) fn kept(&self, table: BorrowedFd<'_>) -> Result<Vec<(SocketAddr, Vec<u8>)>, Errno> {
        let mut kept = Vec::new();
        for family in [FAMILY_4, FAMILY_6] {
            let mut asked = question(family, 0, None).to_vec();
            for (length, kind) in [(12u16, NESTED | ASKS_KEPT), (8, OF_TABLE)] {
                asked.extend(length.to_ne_bytes());
                asked.extend(kind.to_ne_bytes());
            }
            asked.extend(table.as_raw_fd().to_ne_bytes());
            self.ask(BY_FAMILY, REQUEST | ALL, &asked)?;
            self.read_all(|body| kept.extend(kept_of(body)))?;
        }
        Ok(kept)
    }

    fn ask(&self, kind: u16, flags: u16, question: &[u8]) -> Result<(), Errno> {
        let mut message = Vec::with_capacity(HEADER + question.len());
        message.extend(((HEADER + question.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(question);
        send(&self.0, &message, SendFlags::empty()).map(drop)
    }

    fn read_all(&self, mut visit: impl FnMut(&[u8])) -> Result<(), Errno> {
        // size of the kernel's answers
        let mut part = vec![0; 1 << 15];
        loop {
            let (_, length) = recv(&self.0, part.as_mut_slice(), RecvFlags::empty())?;
            for (kind, body) in messages(part.get(..length).unwrap_or_default()) {
                match kind {
                    DONE => return Ok(()),
                    FAILED => return failed(body),
                    _ => visit(body),
                }
            }
        }
    }
}

/// Request about all live sockets of a family, or about one socket.
fn question(family: u8, attributes: u8, socket: Option<&Socket>) -> [u8; 56] {
    let mut question = [0; 56];
    question[..4].copy_from_slice(&[family, TCP, attributes, 0]);
    question[4..8].copy_from_slice(&LIVE.to_ne_bytes());
    if let Some(Socket { here, there, cookie }) = socket {
        question[8..10].copy_from_slice(&here.port().to_be_bytes());
        question[10..12].copy_from_slice(&there.port().to_be_bytes());
        write_ip(&mut question[12..28], here.ip());
        write_ip(&mut question[28..44], there.ip());
        // the lower half comes first on every machine
        question[48..52].copy_from_slice(&(*cookie as u32).to_ne_bytes());
        question[52..56].copy_from_slice(&((cookie >> 32) as u32).to_ne_bytes());
    }
    question
}

fn write_ip(place: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => place[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => place.copy_from_slice(&ip.octets()),
    }
}

/// Messages of an answer: type and body of each.
fn messages(mut answer: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = word(answer, 0)? as usize;
        let kind = u16::from_ne_bytes([*answer.get(4)?, *answer.get(5)?]);
        let body = answer.get(HEADER..length)?;
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn failed(body: &[u8]) -> Result<(), Errno> {
    match word(body, 0).map(|code| (code as i32).unsigned_abs()) {
        Some(0) => Ok(()),
        Some(errno) => Err(Errno::from_raw_os_error(errno as i32)),
        None => Err(Errno::PROTO),
    }
}

/// Cookie of a socket, and its activity.
fn moved_of(body: &[u8]) -> Option<(u64, Moved)> {
    let cookie = u64::from(word(body, COOKIE)?) | u64::from(word(body, COOKIE + 4)?) << 32;
    let info = attribute(body.get(SOCKET..)?, INFO)?;
    let [sent, received] = LAST.map(|at| word(info, at));
    let quiet = Duration::from_millis(sent?.min(received?).into());
    let [to_us, sent, again] = BYTES.map(|at| long(info, at).unwrap_or(0));
    Some((cookie, Moved { quiet, bytes: [sent.saturating_sub(again), to_us] }))
}

/// Own address of a socket, and the value kept of it; `None`: there is none.
fn kept_of(body: &[u8]) -> Option<(SocketAddr, Vec<u8>)> {
    let value = attribute(attribute(attribute(body.get(SOCKET..)?, KEPT)?, KEPT_IN_TABLE)?, VALUE)?;
    let port = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let ip = match body.first() {
        Some(&FAMILY_4) => IpAddr::from(<[u8; 4]>::try_from(body.get(8..12)?).ok()?),
        Some(_) | None => IpAddr::from(<[u8; 16]>::try_from(body.get(8..24)?).ok()?).to_canonical(),
    };
    Some((SocketAddr::new(ip, port), value.to_vec()))
}

/// Value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [length, high, kind, nests, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([length, high]));
        if u16::from_ne_bytes([kind, nests]) & !NESTED == wanted {
            return attributes.get(4..length);
        }
        attributes = attributes.get(length.next_multiple_of(4).max(4)..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernel_tells_what_moved() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"hello").unwrap();
        let cookie = rustix::net::sockopt::socket_cookie(&client).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let moved = Diag::open_in(Path::new("/proc/self/ns/net")).unwrap().moved().unwrap();
        let Moved { quiet, bytes } = moved.get(&cookie).unwrap();
        assert!((Duration::from_millis(40)..Duration::from_secs(10)).contains(quiet), "{quiet:?}");
        assert_eq!(bytes, &[5, 0]);
    }
}
