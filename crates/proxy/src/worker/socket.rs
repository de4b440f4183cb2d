//! Sockets to endpoints: creation, options, and connecting.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use l4::config::Cluster;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, ipproto, socket_with, sockopt,
};

use super::connection::Connection;
use super::vanished::notice;
use crate::loopback::unpace;

/// Begins to connect; an event of the socket reports the result.
pub(super) fn start_connect(address: SocketAddr, cluster: &Cluster) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let backend = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&backend, true)?;
    unpace(&backend, address.ip());
    let Cluster { keepalive, user_timeout, source, .. } = cluster;
    notice(&backend, *keepalive, *user_timeout)?;
    if let Some(source) = source {
        // another connection may have the same port, as long as it goes elsewhere
        sockopt::set_socket_reuseaddr(&backend, true)?;
        bind(&backend, &SocketAddr::new(*source, 0))?;
    }
    match connect(&backend, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(backend),
        Err(errno) => Err(errno),
    }
}

/// Returns `true` if the listener that accepted a connection answers at an address.
pub(super) fn is_itself(address: SocketAddr, connection: &Connection) -> bool {
    let bound = connection.listener.config.address;
    if address.port() != bound.port() {
        return false;
    }
    let accepted_at = || getsockname(&connection.client).ok().and_then(|own| SocketAddr::try_from(own).ok());
    address == bound
        || bound.ip().is_unspecified() && (address.ip().is_loopback() || accepted_at() == Some(address))
}
