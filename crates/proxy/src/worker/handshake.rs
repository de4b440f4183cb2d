//! Step of a TLS handshake, and the lane of connections that wait for one.
//!
//! A step holds the worker for a fraction of a millisecond. Each turn of the loop does one, after all that moves
//! bytes: so new connections wait for each other, and live ones do not wait for them.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

use l4::ending::Side;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tls::Failure;

use super::deadlines::Micros;
use crate::relay::{Buffers, Ciphers, Direction};

/// Limit on the wait for a step, beyond which new connections are refused: they would only wait longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Limit on the bytes of a step: more than any flight of a handshake.
const FLIGHT: usize = 16 << 10;

/// Connections that have a step to do, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Lane(VecDeque<(u32, Micros)>);

impl Lane {
    /// Queues a connection for its step.
    pub(super) fn queue(&mut self, slot: u32, now: Micros) {
        self.0.push_back((slot, now));
    }

    /// Takes the connection whose step is next.
    pub(super) fn next(&mut self) -> Option<u32> {
        self.0.pop_front().map(|(slot, _)| slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if more steps are queued than can be served in time.
    pub(super) fn is_overrun(&self, now: Micros) -> bool {
        self.0.front().is_some_and(|(_, since)| now.since(*since) > PATIENCE)
    }
}

/// Result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shaken {
    /// The socket has to be waited for.
    Waits,
    /// There is another step to do.
    More,
    /// The handshake is done, and all its bytes are sent. Bytes that the peer sent beyond it are held.
    Done,
}

/// Reason why a handshake failed.
#[derive(Debug)]
pub(super) enum Unshaken {
    /// TLS failed; the peer got an alert.
    Tls(Failure),
    /// The socket failed.
    Socket(Errno),
}

/// Handles the bytes that the side sent, and sends the answer.
pub(super) fn shake(
    ciphers: &mut Ciphers,
    side: Side,
    directions: &mut [Direction; 2],
    socket: impl AsFd,
    buffers: &mut Buffers,
) -> Result<Shaken, Unshaken> {
    let (socket, unsent) = (socket.as_fd(), &mut ciphers.unsent[side as usize]);
    // by the side that the bytes come from: those of the other go to this side
    let [of_client, of_backend] = directions;
    let (from, to) = match side {
        Side::Client => (of_client, of_backend),
        Side::Backend => (of_backend, of_client),
    };
    let Some(session) = &mut ciphers.sessions[side as usize] else { return Ok(Shaken::Done) };
    // there may be more than the bytes read before the handshake
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

/// Sends bytes. Returns `false` if the socket is full.
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
