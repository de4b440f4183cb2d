//! Relay of one direction with TLS at one end, or both.
//!
//! As with plain bytes nothing is read while something is still to be written, and an idle connection holds no
//! buffer for long. Bytes held for the destination are as they go over its wire; bytes that were read too early are
//! as they came.

use std::os::fd::BorrowedFd;

use l4::config::TlsVersion;
use l4::ending::Side;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tls::{Failure, Session};

use super::direction::Direction;
use super::pump::{Fault, Pumped};
use super::tap::{ByteObserver, Tap};
use super::{Buffers, SHARED_BUFFER};

/// Size of the buffer for decrypted bytes: as much as was read, and a record whose beginning came before.
const PLAIN_BUFFER: usize = SHARED_BUFFER + (18 << 10);

/// TLS sessions of a connection.
#[derive(Debug, Default)]
pub(crate) struct Ciphers {
    /// Sessions by side; `None`: plaintext.
    pub(crate) sessions: [Option<Session>; 2],
    /// Unsent bytes of handshakes, by the side that they are for.
    pub(crate) unsent: [Vec<u8>; 2],
    /// Bytes that were read before they could be passed on, by the side that they come from.
    early: [Vec<u8>; 2],
    /// First side that ended its connection without a TLS close_notify; `None`: neither did.
    pub(crate) ended_bare: Option<Side>,
    /// `true`: its sessions hold memory for moving bytes, and the worker knows it.
    pub(crate) warm: bool,
    /// `true`: a shadow rule denies the client.
    pub(crate) shadow_denied: bool,
    /// Side whose TLS failed, and the word for the reason; `None`: neither failed.
    pub(crate) failed: Option<(Side, &'static str)>,
}

impl Ciphers {
    /// TLS version with a side; `None`: no handshake is done.
    pub(crate) fn version(&self, side: Side) -> Option<TlsVersion> {
        self.sessions[side as usize].as_ref()?.version()
    }

    /// Frees the memory that only moving bytes needs.
    pub(crate) fn rest(&mut self) {
        self.sessions.iter_mut().flatten().for_each(Session::rest);
        self.warm = false;
    }

    /// Drops the state of an attempt with a side.
    pub(crate) fn forget(&mut self, side: Side) {
        self.sessions[side as usize] = None;
        self.unsent[side as usize].clear();
    }

    /// Keeps the bytes that a side sent before there was a destination.
    pub(crate) fn keep_early(&mut self, from: Side, direction: &mut Direction) {
        let bytes = direction.pending().to_vec();
        direction.skip(bytes.len());
        if !bytes.is_empty() || self.sessions[from as usize].is_some() {
            // the end of a handshake is not signalled by an event
            direction.readable = true;
        }
        self.early[from as usize] = bytes;
    }
}

/// Reason why a direction cannot go on.
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

/// Moves bytes from `source`, which is the socket of `from`, to `destination`, with at most `quantum` reads.
/// `watch` sees each byte in plaintext.
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
    // bytes that a step left there belong to this connection alone
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

/// Input of a step.
#[derive(Clone, Copy)]
enum Input {
    /// Bytes in the shared buffer, up to this length.
    Read(usize),
    /// Bytes that were read too early.
    Early,
    /// None: the source ended.
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

    /// Reads and passes on. Returns `true` if the source is probably drained for now, though more is expected.
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
            // edge-triggered: whatever arrives from now on is a new event, unless the end was signalled already
            if !full && !self.direction.last {
                self.direction.readable = false;
            }
        }
        self.pass(Input::Read(received))?;
        Ok(drained)
    }

    /// Decrypts and encrypts the input, and writes it; memory is only allocated for what the destination does not
    /// take.
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

    /// Writes the bytes that an earlier step left. Returns `false` if the destination is full.
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

/// Number of bytes that the destination took; 0: it is full.
fn sent(direction: &mut Direction, sent: rustix::io::Result<usize>) -> Result<usize, Fault> {
    match sent {
        // never for a non-empty buffer; and treating it as progress would be an endless loop
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
