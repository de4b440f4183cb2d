//! PROXY protocol header that is sent to a backend.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use l4::config::Cluster;
use l4::proxy_protocol::{Ends, write_header};
use rustix::io::Errno;
use rustix::net::{SendFlags, getsockname, send};

use super::choice::Choice;
use super::connection::Connection;

/// Sends the PROXY protocol header, if the cluster requires it.
///
/// The socket was just connected, so its buffer takes the few bytes at once, before all others.
pub(super) fn announce(choice: &Choice, backend: &OwnedFd, connection: &Connection) -> Result<(), Errno> {
    let Some(header) = header(choice.cluster_config(), connection)? else { return Ok(()) };
    match send(backend, &header, SendFlags::NOSIGNAL)? {
        sent if sent == header.len() => Ok(()),
        _ => Err(Errno::NOBUFS),
    }
}

/// Returns the PROXY protocol header for an endpoint of a cluster; `None`: it requires none.
pub(super) fn header(cluster: &Cluster, connection: &Connection) -> Result<Option<Vec<u8>>, Errno> {
    let Some(version) = cluster.proxy_protocol else { return Ok(None) };
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
    Ok(Some(write_header(version, ends)))
}
