//! Listening sockets: one for each worker and listener, all on one address (`SO_REUSEPORT`), so that workers never
//! wait for each other when a connection arrives.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};

use crate::loopback::unpace;

/// Limit on connections that wait to be accepted; the kernel's own limit (`net.core.somaxconn`) applies too.
const BACKLOG: i32 = 4096;

/// Claim to an address that may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Exclusive, also towards other processes of ours.
    Alone,
    /// Shared with this process, through a wildcard address and the same port.
    Shared,
}

/// Opens one listening socket for each of `workers`.
///
/// The first is bound without `SO_REUSEPORT`: otherwise a second process of the same user would silently get half
/// of the connections, where both would prefer an error.
///
/// # Errors
/// The address is in use, not an address of this host, or has a port that needs a privilege.
pub(crate) fn open(address: SocketAddr, workers: usize, claim: Claim) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::with_capacity(workers);
    for worker in 0..workers {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if address.is_ipv6() {
            // `[::]` does not include 0.0.0.0: an operator who wants both configures both
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        let share_now = worker > 0 || claim == Claim::Shared;
        if share_now {
            sockopt::set_socket_reuseport(&socket, true)?;
        }
        bind(&socket, &address)?;
        if !share_now {
            sockopt::set_socket_reuseport(&socket, true)?;
        }
        // inherited by what is accepted
        sockopt::set_tcp_nodelay(&socket, true)?;
        unpace(&socket, address.ip());
        sockets.push(socket);
    }
    for socket in &sockets {
        listen(socket, BACKLOG)?;
    }
    Ok(sockets)
}
