//! Time to live of addresses, from the DNS servers of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use l4::dns::{Message, RecordType, addresses, ask_for, read};

use crate::dns::servers;

/// File with the servers.
const FILE: &str = "/etc/resolv.conf";
/// Limit on the servers that are asked, and timeout of each.
const SERVERS: usize = 2;
const PATIENCE: Duration = Duration::from_millis(500);
/// Limit on the size of an answer, in bytes.
const LONGEST: usize = 4096;

/// Returns the time to live of a name's address; `None`: no server has it. Then it came from somewhere else, such
/// as `/etc/hosts`, or by another name of a search list.
pub(super) fn of(name: &str, address: IpAddr) -> Option<Duration> {
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let text = std::fs::read_to_string(FILE).ok()?;
    servers(&text).take(SERVERS).find_map(|server| ask(server, name, address))
}

fn ask(server: SocketAddr, name: &str, address: IpAddr) -> Option<Duration> {
    let id = fastrand::u16(..).to_be_bytes();
    let sort = if address.is_ipv4() { RecordType::A } else { RecordType::Aaaa };
    let asked = ask_for(name, sort, id)?;
    let Message::Query(query) = read(&asked) else { return None };
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    socket.send(&asked).ok()?;
    let (until, mut buffer) = (Instant::now() + PATIENCE, [0; LONGEST]);
    loop {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        socket.set_read_timeout(Some(left)).ok()?;
        let length = socket.recv(&mut buffer).ok()?;
        let answer = &buffer[..length];
        if query.is_answered_by(answer, id) {
            let (found, seconds) = addresses(answer)?;
            return found.contains(&address).then(|| Duration::from_secs(seconds.into()));
        }
    }
}
