//! The PROXY header that we send to a backend.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use l4::proxy_protocol::{Ends, write_header};
use rustix::io::Errno;
use rustix::net::{SendFlags, getsockname, send};

use crate::worker::choice::Choice;
use crate::worker::connection::Connection;

/// Tells the backend who the client is, where its cluster wants to know.
///
/// The socket was just connected, so its buffer takes the few bytes at once, and they come before all others.
pub(super) fn announce(choice: &Choice, backend: &OwnedFd, connection: &Connection) -> Result<(), Errno> {
    let Some(version) = choice.cluster_config().proxy_protocol else { return Ok(()) };
    let ends = match &connection.ends {
        Some(ends) => **ends,
        None => {
            let destination = match &connection.destination {
                Some(destination) => **destination,
                None => {
                    SocketAddr::try_from(getsockname(&connection.client)?).map_err(|_| Errno::AFNOSUPPORT)?
                }
            };
            Ends { source: connection.peer, destination }
        }
    };
    let header = write_header(version, ends);
    match send(backend, &header, SendFlags::NOSIGNAL)? {
        sent if sent == header.len() => Ok(()),
        _ => Err(Errno::NOBUFS),
    }
}
