//! Sockets of the load: nonblocking, without Nagle's delay.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send, socket_with,
    sockopt,
};

/// Outcome of a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Bytes(usize),
    /// End of the stream.
    End,
    /// The operation would block.
    Later,
}

/// Connects; on loopback the handshake is complete when this returns.
pub(crate) fn dial(target: SocketAddr) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno.into()),
    }
}

/// Listens, with a backlog large enough for a storm of connections.
pub(crate) fn listen(address: SocketAddr) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?; // what is accepted inherits it
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 4096)?;
    Ok(socket)
}

pub(crate) fn read(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Moved> {
    moved(recv(socket, buffer, RecvFlags::empty()).map(|(bytes, _)| bytes))
}

/// Reads up to as many bytes as `room` is long, and copies none.
pub(crate) fn discard(socket: impl AsFd, room: &mut [u8]) -> io::Result<Moved> {
    moved(recv(socket, room, RecvFlags::TRUNC).map(|(_, bytes)| bytes))
}

pub(crate) fn write(socket: impl AsFd, bytes: &[u8]) -> io::Result<Moved> {
    moved(send(socket, bytes, SendFlags::NOSIGNAL))
}

fn moved(outcome: Result<usize, Errno>) -> io::Result<Moved> {
    match outcome {
        Ok(0) => Ok(Moved::End),
        Ok(bytes) => Ok(Moved::Bytes(bytes)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Moved::Later),
        Err(errno) => Err(errno.into()),
    }
}
