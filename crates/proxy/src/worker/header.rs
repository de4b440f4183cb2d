//! PROXY protocol headers: the one that a client's proxy sends first, and the one that we send to a backend.

use std::net::SocketAddr;

use l4::ending::{Ending, Side};
use l4::proxy_protocol::{Ends, MAX_HEADER, read_header, write_header};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, getsockname, recv, send};

use super::Worker;
use super::connection::{Connection, Stage};
use super::open::cluster;

/// What became of the bytes of a header.
enum Received {
    Waiting,
    Complete,
    Failed(Ending, String),
}

impl Worker {
    /// Takes what arrived of a PROXY header, and goes on when it is complete.
    pub(super) fn on_header(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        match receive_header(connection, &mut self.kit.shared) {
            Received::Waiting => {}
            Received::Complete if connection.live.listener.needs_hello() => {
                connection.stage = Stage::Hello;
                connection.since = self.now;
                let due = self.now + self.shared.hello_timeout;
                self.deadlines.look_at(slot, due);
                self.on_hello(slot);
            }
            Received::Complete => self.open(slot),
            Received::Failed(ending, why) => self.finish(slot, ending, &why),
        }
    }
}

/// Reads what arrived; what follows a complete header is kept for the backend.
fn receive_header(connection: &mut Connection, buffer: &mut [u8]) -> Received {
    let from_client = Side::Client as usize;
    loop {
        let room = MAX_HEADER.min(buffer.len());
        match recv(&connection.client, &mut buffer[..room], RecvFlags::empty()) {
            Ok((0, _)) => {
                return Received::Failed(
                    Ending::BadProxyHeader,
                    "the client ended before its PROXY header".into(),
                );
            }
            Ok((received, _)) => {
                let direction = &mut connection.directions[from_client];
                direction.hold_more(&buffer[..received]);
                match read_header(direction.pending()) {
                    Ok(None) => {}
                    Ok(Some(header)) => {
                        direction.skip(header.length);
                        if let Some(ends) = header.ends {
                            connection.peer = ends.source;
                            connection.ends = Some(Box::new(ends));
                        }
                        return Received::Complete;
                    }
                    Err(why) => return Received::Failed(Ending::BadProxyHeader, why.0.into()),
                }
            }
            Err(Errno::AGAIN) => return Received::Waiting,
            Err(Errno::INTR) => {}
            Err(errno) => return Received::Failed(Ending::ClientReset, errno.to_string()),
        }
    }
}

/// Tells the backend who the client is, where its cluster wants to know.
///
/// The socket was just connected, so its buffer takes the few bytes at once, and they come before all others.
pub(super) fn announce(connection: &Connection) -> Result<(), Errno> {
    let Some(forward) = &connection.forward else { return Ok(()) };
    let version = cluster(&connection.live, forward).and_then(|cluster| cluster.proxy_protocol);
    let (Some(version), Some(backend)) = (version, &connection.backend) else { return Ok(()) };
    let ends = match &connection.ends {
        Some(ends) => **ends,
        None => {
            let own = getsockname(&connection.client)?;
            let destination = SocketAddr::try_from(own).map_err(|_| Errno::AFNOSUPPORT)?;
            Ends { source: connection.peer, destination }
        }
    };
    let header = write_header(version, ends);
    match send(backend, &header, SendFlags::NOSIGNAL)? {
        sent if sent == header.len() => Ok(()),
        _ => Err(Errno::NOBUFS),
    }
}
