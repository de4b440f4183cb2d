//! Takeover: listening sockets passed from one process to its successor, over a Unix socket.
//!
//! ```text
//!  old: Handover::bind ─ wait ─────▶ listener ADDRESS + sockets … end ──▶ wait ──▶ ready? stop accepting, and leave
//!  new:                  connect ──▶ Proxy::inherit ─▶ Proxy::apply ─────▶ ready ─▶ wait for the end ─▶ Handover::bind
//! ```
//!
//! The sockets themselves are passed, not only their addresses: connections in their queues, or half way through
//! the handshake, are not affected. Until the new process is ready, both may accept; if it goes away before, the
//! old one goes on as before.

mod message;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use message::Message;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, accept_with, recvmsg, sendmsg,
};

use crate::own_socket;

/// Number of sockets in one message; the kernel's limit is 253 (`SCM_MAX_FD`).
const SOCKETS: usize = 128;
/// Timeout of the other process.
const PATIENCE: Duration = Duration::from_secs(10);
/// Limit on the size of a message, in bytes.
const TEXT: usize = 512;

/// Sockets that are handed over.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Listening sockets of each address: one per worker of the process.
    pub listeners: BTreeMap<SocketAddr, Vec<OwnedFd>>,
    /// Other sockets of the process, by a name that both know.
    pub others: BTreeMap<String, OwnedFd>,
}

/// Sockets that the new process got from the old one.
#[derive(Debug)]
pub struct Takeover {
    peer: OwnedFd,
    /// Sockets.
    pub sockets: Sockets,
}

impl Takeover {
    /// Requests the sockets of the process that waits at `path`; `None`: none waits there.
    ///
    /// # Errors
    /// The process is another user's or does not hand over everything, or something other than a socket exists at
    /// the path.
    pub fn ask(path: &Path) -> io::Result<Option<Self>> {
        let Some(peer) = own_socket::connect(path, SocketType::SEQPACKET)? else { return Ok(None) };
        own_socket::is_ours_or_roots(&peer)?;
        set_socket_timeout(&peer, Timeout::Recv, Some(PATIENCE))?;
        let mut sockets = Sockets::default();
        loop {
            let (message, received) = receive(&peer)?;
            match message {
                Message::Listener(address) => sockets.listeners.entry(address).or_default().extend(received),
                Message::Other(name) => {
                    sockets.others.extend(received.into_iter().next().map(|socket| (name, socket)));
                }
                Message::End => return Ok(Some(Self { peer, sockets })),
                Message::Ready => return Err(unexpected()),
            }
        }
    }

    /// Reports to the old process that this one accepts connections, and waits until it stopped.
    ///
    /// # Errors
    /// The old process does not answer in time. One that is gone is not an error.
    pub fn finish(self) -> io::Result<()> {
        match send(&self.peer, &Message::Ready, &[]) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            sent => sent?,
        }
        match receive(&self.peer) {
            Err(error) if is_end(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(unexpected()),
        }
    }
}

/// Old process that waits for a successor.
#[derive(Debug)]
pub struct Handover {
    socket: OwnedFd,
    path: PathBuf,
}

impl Handover {
    /// Starts waiting at `path`. A stale socket of ours there is replaced, and nothing else.
    ///
    /// # Errors
    /// Another process waits there, something else exists there, or the path cannot be used.
    pub fn bind(path: &Path) -> io::Result<Self> {
        // keeps messages apart, so that sockets arrive with the words that name them
        Ok(Self { socket: own_socket::listen(path, SocketType::SEQPACKET)?, path: path.to_owned() })
    }

    /// Path where it waits.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over the sockets of `lend` to each successor, until one of them is ready: then `stop` is called, and
    /// the successor sees the end of its connection. One that goes away before has no effect.
    ///
    /// # Errors
    /// No further successor can be accepted.
    pub fn serve(self, lend: impl Fn() -> Sockets, stop: impl FnOnce()) -> io::Result<()> {
        loop {
            let peer = match accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(peer) => peer,
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => continue,
                Err(errno) => return Err(errno.into()),
            };
            match hand_over(&peer, &lend()) {
                Ok(true) => {
                    stop();
                    // a process that waits for the end of `peer` may then take the path
                    drop(self);
                    return Ok(());
                }
                Ok(false) => tracing::info!("a successor went away before it was ready"),
                Err(error) => tracing::warn!(%error, "the sockets could not be handed over"),
            }
        }
    }
}

/// Returns `true` if the other side became ready.
fn hand_over(peer: &OwnedFd, sockets: &Sockets) -> io::Result<bool> {
    own_socket::is_ours_or_roots(peer)?;
    set_socket_timeout(peer, Timeout::Send, Some(PATIENCE))?;
    for (address, listening) in &sockets.listeners {
        for some in listening.chunks(SOCKETS) {
            let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
            send(peer, &Message::Listener(*address), &some)?;
        }
    }
    for (name, socket) in &sockets.others {
        send(peer, &Message::Other(name.clone()), &[socket.as_fd()])?;
    }
    send(peer, &Message::End, &[])?;
    match receive(peer) {
        Ok((Message::Ready, _)) => Ok(true),
        Ok(_) => Err(unexpected()),
        Err(error) if is_end(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn send(peer: &OwnedFd, message: &Message, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let text = message.to_string();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "too many sockets for one message"));
    }
    sendmsg(peer, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(peer: &OwnedFd) -> io::Result<(Message, Vec<OwnedFd>)> {
    let mut text = [0; TEXT];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(peer, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let mut sockets = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = part {
            sockets.extend(some);
        }
    }
    if received.bytes == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::other("a message did not arrive whole: too few descriptors are left"));
    }
    let message = std::str::from_utf8(&text[..received.bytes]).ok().and_then(|text| text.parse().ok());
    Ok((message.ok_or_else(unexpected)?, sockets))
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
}

fn unexpected() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the other process says something unexpected")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    fn lent(listener: &TcpListener) -> Sockets {
        let mut sockets = Sockets::default();
        let copies = (0..300).map(|_| listener.try_clone().unwrap().into());
        sockets.listeners.insert(listener.local_addr().unwrap(), copies.collect());
        sockets.others.insert("admin".into(), listener.try_clone().unwrap().into());
        sockets
    }

    #[test]
    fn sockets_arrive_and_the_path_is_free_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("takeover");
        assert!(Takeover::ask(&path).unwrap().is_none());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let handover = Handover::bind(&path).unwrap();
        let (stopped, stops) = channel();
        let old = std::thread::spawn(move || {
            handover.serve(|| lent(&listener), move || stopped.send(()).unwrap()).unwrap();
        });
        // one that goes away before it is ready
        drop(Takeover::ask(&path).unwrap().unwrap());
        assert_eq!(Handover::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        let takeover = Takeover::ask(&path).unwrap().unwrap();
        assert_eq!(takeover.sockets.listeners[&address].len(), 300);
        assert_eq!(takeover.sockets.others.len(), 1);
        assert!(stops.try_recv().is_err());
        takeover.finish().unwrap();
        stops.recv().unwrap();
        old.join().unwrap();
        // the file still exists, without a process behind it
        assert!(path.exists() && Takeover::ask(&path).unwrap().is_none());
        Handover::bind(&path).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_neither_asked_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Takeover::ask(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(Handover::bind(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
