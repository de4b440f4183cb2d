//! Active check: a non-blocking connection of our own to an endpoint.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, getsockname, ipproto, recv, send,
    socket_with,
};

use l4::config::HealthCheck;
use l4::health::is_expected;

/// Limit on the bytes of an answer that are looked at.
const LONGEST_ANSWER: usize = 64 << 10;

/// Check in progress.
pub(super) struct Probe {
    socket: OwnedFd,
    address: SocketAddr,
    stage: Stage,
    /// All bytes to send.
    question: Vec<u8>,
    answer: Vec<u8>,
}

enum Stage {
    Connecting,
    /// Number of bytes that are sent.
    Sending(usize),
    Receiving,
}

/// Result of a check; a failure in words.
pub(super) type Finding = Result<(), Arc<str>>;

impl Probe {
    /// Begins to connect. `question`: the bytes to send; it may be empty.
    pub(super) fn start(address: SocketAddr, question: Vec<u8>) -> Result<Self, Errno> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Self { socket, address, stage: Stage::Connecting, question, answer: Vec::new() })
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Proceeds as far as the socket allows; `None`: it is not finished.
    pub(super) fn on_event(&mut self, config: &HealthCheck, flags: EventFlags) -> Option<Finding> {
        loop {
            match self.stage {
                Stage::Connecting => {
                    if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                        let errno = socket_error(&self.socket).ok().and_then(Result::err);
                        return Some(failed(&errno.unwrap_or(Errno::CONNREFUSED)));
                    }
                    if !flags.contains(EventFlags::OUT) {
                        return None;
                    }
                    // nothing listens there, and the kernel happened to dial from the very port that was dialled
                    let own = getsockname(&self.socket).ok().and_then(|own| SocketAddr::try_from(own).ok());
                    if own == Some(self.address) {
                        return Some(failed(&Errno::CONNREFUSED));
                    }
                    self.stage = Stage::Sending(0);
                }
                Stage::Sending(sent) => {
                    let rest = self.question.get(sent..).unwrap_or_default();
                    if rest.is_empty() {
                        if config.receive.is_empty() {
                            return Some(Ok(()));
                        }
                        self.stage = Stage::Receiving;
                        continue;
                    }
                    match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                        Ok(more) => self.stage = Stage::Sending(sent + more),
                        Err(Errno::AGAIN) => return None,
                        Err(Errno::INTR) => {}
                        Err(errno) => return Some(failed(&errno)),
                    }
                }
                Stage::Receiving => return self.receive(config),
            }
        }
    }

    fn receive(&mut self, config: &HealthCheck) -> Option<Finding> {
        let mut chunk = [0u8; 4096];
        loop {
            match recv(&self.socket, &mut chunk[..], RecvFlags::empty()) {
                Ok((0, _)) => return Some(Err("it ended before the expected answer".into())),
                Ok((received, _)) => {
                    self.answer.extend_from_slice(chunk.get(..received).unwrap_or_default());
                    if is_expected(&self.answer, &config.receive) {
                        return Some(Ok(()));
                    }
                    if self.answer.len() >= LONGEST_ANSWER {
                        return Some(Err("its answer is long, and not the expected one".into()));
                    }
                }
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(errno) => return Some(failed(&errno)),
            }
        }
    }

    /// Returns the result of a check that timed out.
    pub(super) fn too_late(&self) -> Finding {
        Err(match self.stage {
            Stage::Connecting => "it did not answer in time".into(),
            Stage::Sending(_) => "it did not take the question in time".into(),
            Stage::Receiving if self.answer.is_empty() => "it accepted, and did not answer in time".into(),
            Stage::Receiving => "the expected answer did not come in time".into(),
        })
    }
}

fn failed(errno: &Errno) -> Finding {
    Err(errno.to_string().into())
}
