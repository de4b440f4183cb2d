//! Moves the bytes of one direction of which one end, or both, is spoken to by TLS.
//!
//! As with plain bytes nothing is read while something is still to be written, and a connection that idles holds no buffer for long. What is
//! held for the destination is as it goes over its wire; what was read too early is as it came.

use std::os::fd::BorrowedFd;

use l4::config::TlsVersion;
use l4::ending::Side;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tls::{Failure, Session};

use super::direction::Direction;
use super::pump::{Fault, Pumped};
use super::tap::{Tap, Watches};
use super::{Buffers, SHARED_BUFFER};

/// The room for what one read decrypts to: as much as was read, and a record of which the beginning came before.
const PLAIN_BUFFER: usize = SHARED_BUFFER + (18 << 10);

/// The TLS sessions of a connection.
#[derive(Debug, Default)]
pub(crate) struct Ciphers {
    /// By the side that is spoken to; `None`: in plaintext.
    pub(crate) sessions: [Option<Session>; 2],
    /// By the side that it is meant for: what a handshake has to say and its socket did not take yet.
    pub(crate) unsent: [Vec<u8>; 2],
    /// By the side that they come from: bytes that were read before they could be passed on.
    early: [Vec<u8>; 2],
    /// The first that ended its connection without saying so by TLS.
    pub(crate) ended_bare: Option<Side>,
    /// Its sessions hold memory for moving bytes, and the worker knows it.
    pub(crate) warm: bool,
    /// The client counts as if it might not connect.
    pub(crate) shadow_denied: bool,
    /// Whose TLS failed, and the word for it.
    pub(crate) failed: Option<(Side, &'static str)>,
}

impl Ciphers {
    /// The version that is spoken with a side; `None`: none is yet.
    pub(crate) fn version(&self, side: Side) -> Option<TlsVersion> {
        self.sessions[side as usize].as_ref()?.version()
    }

    /// Gives back what only moving bytes needs.
    pub(crate) fn rest(&mut self) {
        self.sessions.iter_mut().flatten().for_each(Session::rest);
        self.warm = false;
    }

    /// Forgets an attempt to speak to a side.
    pub(crate) fn forget(&mut self, side: Side) {
        self.sessions[side as usize] = None;
        self.unsent[side as usize].clear();
    }

    /// Keeps what a side sent before there was somebody to pass it on to.
    pub(crate) fn keep_early(&mut self, from: Side, direction: &mut Direction) {
        let bytes = direction.pending().to_vec();
        direction.skip(bytes.len());
        if !bytes.is_empty() || self.sessions[from as usize].is_some() {
            // the end of a handshake is told by no event
            direction.readable = true;
        }
        self.early[from as usize] = bytes;
    }
}

/// Why a direction cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// A socket failed.
    Socket(Fault),
    /// The source ended inside a record.
    Truncated,
    /// The session with a side failed.
    Tls(Side, Failure),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Socket(fault)
    }
}

/// Moves bytes from `source`, which is the socket of `from`, to `destination`, with at most `quantum` reads. `watch` is told of each
/// byte as it is in plaintext.
pub(crate) fn pump_ciphered(
    from: Side,
    direction: &mut Direction,
    (source, destination): (BorrowedFd<'_>, BorrowedFd<'_>),
    ciphers: &mut Ciphers,
    buffers: &mut Buffers,
    quantum: u32,
    watch: Option<&mut Tap>,
) -> Result<Pumped, Broken> {
    buffers.plain.resize(PLAIN_BUFFER, 0);
    let mut pump = CipherPump { from, direction, source, destination, ciphers, buffers, watch };
    let pumped = pump.run(quantum);
    // what a step left there belongs to this connection alone
    buffers.wire.clear();
    pumped
}

struct CipherPump<'a> {
    from: Side,
    direction: &'a mut Direction,
    source: BorrowedFd<'a>,
    destination: BorrowedFd<'a>,
    ciphers: &'a mut Ciphers,
    buffers: &'a mut Buffers,
    watch: Option<&'a mut Tap>,
}

/// What is to be worked on.
#[derive(Clone, Copy)]
enum Input {
    /// The first so many bytes of the shared buffer.
    Read(usize),
    /// What was read too early.
    Early,
    /// Nothing: the source ended.
    End,
}

impl CipherPump<'_> {
    fn run(&mut self, quantum: u32) -> Result<Pumped, Broken> {
        let (mut reads_left, mut drained) = (quantum, false);
        loop {
            if !self.write_what_is_held()? {
                return Ok(Pumped::Blocked);
            }
            if self.direction.ended {
                let first_time = !std::mem::replace(&mut self.direction.finished, true);
                return Ok(if first_time { Pumped::Finished } else { Pumped::Blocked });
            }
            if !self.ciphers.early[self.from as usize].is_empty() {
                self.pass(Input::Early)?;
                continue;
            }
            if !self.direction.readable || !self.direction.writable {
                return Ok(Pumped::Blocked);
            }
            if drained {
                return Ok(Pumped::Drained);
            }
            if reads_left == 0 {
                return Ok(Pumped::More);
            }
            reads_left -= 1;
            drained = self.read()?;
        }
    }

    /// Reads and passes on; true when that was hardly all that there will be, but all for now.
    fn read(&mut self) -> Result<bool, Broken> {
        let received = match recv(self.source, &mut *self.buffers.shared, RecvFlags::empty()) {
            Ok((0, _)) => {
                self.pass(Input::End)?;
                return Ok(false);
            }
            Ok((bytes, _)) => bytes,
            Err(Errno::AGAIN) => {
                self.direction.readable = false;
                return Ok(false);
            }
            Err(Errno::INTR) => return Ok(false),
            Err(errno) => return Err(Fault::Source(errno).into()),
        };
        let full = received == self.buffers.shared.len();
        let mut drained = false;
        if self.direction.splicing {
            self.direction.note_splice(received);
            drained = !full && self.direction.splicing && !self.direction.last;
        } else {
            self.direction.note_read(full);
            // edge-triggered: whatever arrives from now on is a new event, unless the end was told already
            if !full && !self.direction.last {
                self.direction.readable = false;
            }
        }
        self.pass(Input::Read(received))?;
        Ok(drained)
    }

    /// Decrypts and encrypts what there is, and writes it; only what the destination does not take is allocated for.
    fn pass(&mut self, input: Input) -> Result<(), Broken> {
        let (from, to) = (self.from, self.from.other());
        let Ciphers { sessions, early, ended_bare, .. } = &mut *self.ciphers;
        let Buffers { shared, plain, wire, emptied, .. } = &mut *self.buffers;
        let early = if matches!(input, Input::Early) {
            std::mem::take(&mut early[from as usize])
        } else {
            Vec::new()
        };
        let bytes = match input {
            Input::Read(length) => &shared[..length],
            Input::Early => &early[..],
            Input::End => &[],
        };
        let [with_client, with_backend] = sessions;
        let (source, destination) = match from {
            Side::Client => (with_client, with_backend),
            Side::Backend => (with_backend, with_client),
        };
        let mut ended = matches!(input, Input::End);
        let mut plain: &[u8] = match (source, ended) {
            (Some(session), true) => {
                if session.is_truncated() {
                    return Err(Broken::Truncated);
                }
                ended_bare.get_or_insert(from);
                &[]
            }
            (Some(session), false) => match session.open(bytes, plain, wire) {
                Ok(opened) => {
                    ended = opened.ended;
                    &plain[..opened.bytes]
                }
                Err(failure) => {
                    // the alert, if the peer still listens
                    let _ = send(self.source, wire, SendFlags::NOSIGNAL);
                    return Err(Broken::Tls(from, failure));
                }
            },
            (None, _) => bytes,
        };
        self.direction.moved += plain.len() as u64;
        if let Some(watch) = &mut self.watch {
            watch.note(plain);
        }
        wire.clear();
        if let Some(session) = destination {
            session.seal(plain, wire).map_err(|failure| Broken::Tls(to, failure))?;
            if ended {
                session.end(wire);
            }
            plain = wire;
        }
        let mut at = 0;
        while at < plain.len() && self.direction.writable {
            at += sent(self.direction, send(self.destination, &plain[at..], SendFlags::NOSIGNAL))?;
        }
        if at < plain.len() {
            let mut held = emptied.pop().unwrap_or_default();
            held.extend_from_slice(&plain[at..]);
            self.direction.hold(held);
        }
        self.direction.ended |= ended;
        Ok(())
    }

    /// Writes what an earlier step left; false when the destination is full.
    fn write_what_is_held(&mut self) -> Result<bool, Broken> {
        while !self.direction.pending().is_empty() {
            if !self.direction.writable {
                return Ok(false);
            }
            let result = send(self.destination, self.direction.pending(), SendFlags::NOSIGNAL);
            let taken = sent(self.direction, result)?;
            self.direction.note_written(taken);
            if self.direction.pending().is_empty() {
                let emptied = self.direction.take_held();
                self.buffers.keep(emptied);
            }
        }
        Ok(true)
    }
}

/// What the destination took; 0 when it is full.
fn sent(direction: &mut Direction, sent: rustix::io::Result<usize>) -> Result<usize, Fault> {
    match sent {
        // never for what is not empty; and taking it for progress would be an endless loop
        Ok(0) => Err(Fault::Destination(Errno::IO)),
        Ok(bytes) => Ok(bytes),
        Err(Errno::AGAIN) => {
            direction.writable = false;
            Ok(0)
        }
        Err(Errno::INTR) => Ok(0),
        Err(errno) => Err(Fault::Destination(errno)),
    }
}
