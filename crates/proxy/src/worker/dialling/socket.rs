//! Sockets to endpoints: how they are made, what is set on them, and how they are connected.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use l4::config::Cluster;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with, sockopt};

use crate::worker::choice::Choice;
use crate::worker::vanished::notice;

/// Begins to connect; how it went is told by an event on the socket.
pub(super) fn start_connect(choice: &Choice) -> Result<OwnedFd, Errno> {
    let address = choice.address();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let backend = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&backend, true)?;
    let Cluster { keepalive, user_timeout, source, .. } = choice.cluster_config();
    notice(&backend, *keepalive, *user_timeout)?;
    if let Some(source) = source {
        // another connection from there may have the port, as long as it goes elsewhere
        sockopt::set_socket_reuseaddr(&backend, true)?;
        bind(&backend, &SocketAddr::new(*source, 0))?;
    }
    match connect(&backend, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(backend),
        Err(errno) => Err(errno),
    }
}
