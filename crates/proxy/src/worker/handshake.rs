//! One step of a TLS handshake, and the lane in which those wait that have one to do.
//!
//! A step holds the worker for a fraction of a millisecond. Each turn of the loop does one, after all that moves bytes: so new
//! connections wait for each other, and those that live do not wait for them.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

use l4::ending::Side;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tls::Failure;

use super::deadlines::Micros;
use crate::relay::{Buffers, Ciphers, Direction};

/// The time that a step may wait before new connections are turned away: they would only wait longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The bytes that a step takes: more than any flight of a handshake.
const FLIGHT: usize = 16 << 10;

/// The connections that have a step to do, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lane(VecDeque<(u32, Micros)>);

impl Lane {
    /// Has a connection wait for its step.
    pub(super) fn queue(&mut self, slot: u32, now: Micros) {
        self.0.push_back((slot, now));
    }

    /// The connection whose step it is.
    pub(super) fn next(&mut self) -> Option<u32> {
        self.0.pop_front().map(|(slot, _)| slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether more come than can be served.
    pub(super) fn is_overrun(&self, now: Micros) -> bool {
        self.0.front().is_some_and(|(_, since)| now.since(*since) > PATIENCE)
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shaken {
    /// The socket has to be waited for.
    Waits,
    /// There is another step to do.
    More,
    /// The peer has proven who it is, and all was said to it. What it sent beyond that is held.
    Done,
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub(super) enum Unshaken {
    /// TLS failed; the peer was told.
    Tls(Failure),
    /// The socket failed.
    Socket(Errno),
}

/// Takes what the side sent, and says what is to be said to it.
pub(super) fn shake(
    ciphers: &mut Ciphers,
    side: Side,
    directions: &mut [Direction; 2],
    socket: impl AsFd,
    buffers: &mut Buffers,
) -> Result<Shaken, Unshaken> {
    let (socket, unsent) = (socket.as_fd(), &mut ciphers.unsent[side as usize]);
    // by the side that the bytes come from: to this side go those of the other
    let [of_client, of_backend] = directions;
    let (from, to) = match side {
        Side::Client => (of_client, of_backend),
        Side::Backend => (of_backend, of_client),
    };
    let Some(session) = &mut ciphers.sessions[side as usize] else { return Ok(Shaken::Done) };
    // what was read before the handshake may not have been all
    let mut more = from.readable && !from.pending().is_empty();
    if from.pending().is_empty() && from.readable {
        match recv(socket, &mut buffers.shared[..FLIGHT], RecvFlags::empty()) {
            Ok((0, _)) => return Err(Unshaken::Tls(Failure::Ended)),
            Ok((bytes, _)) => {
                from.hold_more(&buffers.shared[..bytes]);
                more = bytes == FLIGHT || from.last;
            }
            Err(Errno::AGAIN) => from.readable = false,
            Err(Errno::INTR) => more = true,
            Err(errno) => return Err(Unshaken::Socket(errno)),
        }
    }
    let progress = session.handshake(from.pending(), unsent);
    if let Ok(progress) = progress {
        from.skip(progress.taken);
    }
    let said = say(socket, unsent);
    let progress = progress.map_err(Unshaken::Tls)?;
    if !said.map_err(Unshaken::Socket)? {
        to.writable = false;
        return Ok(Shaken::Waits);
    }
    Ok(match (progress.done, more) {
        (true, _) => Shaken::Done,
        (false, true) => Shaken::More,
        (false, false) => Shaken::Waits,
    })
}

/// Sends; false when the socket is full.
fn say(socket: impl AsFd, unsent: &mut Vec<u8>) -> rustix::io::Result<bool> {
    while !unsent.is_empty() {
        match send(&socket, unsent, SendFlags::NOSIGNAL) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    // most connections never need it again
    unsent.shrink_to_fit();
    Ok(true)
}
