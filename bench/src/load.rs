//! The loads: what clients do to a proxy, each in one thread, each bounded in time.

mod ask;
mod bulk;
mod check;
mod idle;
mod mixed;
mod visit;

use std::io;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

pub(crate) use check::check;
pub(crate) use idle::idle;

use crate::door::Door;
use crate::order::Order;
use crate::socket::{self, Moved, dial};
use crate::window::{Sample, Window};

/// The size of a request and of its answer.
const REQUEST: usize = 64;
/// How long a connection may take until its first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which way bulk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// To the client.
    Down,
    /// To the backend.
    Up,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// Moves as much as it can over some streams.
    Bulk(usize, Way),
    /// Request and answer of 64 bytes in turn, on each of some connections.
    Ask(usize),
    /// Connect, request, answer, close; so many at a time.
    Visit(usize),
    /// 16 connections that ask, beside 4 streams of 500 MB/s.
    Mixed,
}

impl Load {
    pub(crate) fn run(self, target: Door, window: Window) -> io::Result<Sample> {
        match self {
            Self::Bulk(streams, way) => bulk::bulk(target, window, streams, way, None),
            Self::Ask(connections) => ask::ask(target, window, connections),
            Self::Visit(at_a_time) => visit::visit(target, window, at_a_time),
            Self::Mixed => mixed::mixed(
                target,
                window,
                mixed::Beside { streams: 4, pace: NonZeroU32::new(500), asking: 16 },
            ),
        }
    }
}

/// A connection whose order was given.
fn order(target: Door, order: Order) -> io::Result<OwnedFd> {
    let socket = dial(target.address)?;
    write_all(&socket, target.first)?;
    write_all(&socket, &order.bytes())?;
    Ok(socket)
}

/// Waits until something can be read, and reads it.
fn read_patiently(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let start = Instant::now();
    loop {
        match socket::read(socket, buffer)? {
            Moved::Bytes(bytes) => return Ok(bytes),
            Moved::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Moved::Later if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_micros(200)),
            Moved::Later => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Writes little, patiently.
fn write_all(socket: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let (start, mut written) = (Instant::now(), 0);
    while written < bytes.len() {
        match socket::write(socket, &bytes[written..])? {
            Moved::Bytes(more) => written += more,
            Moved::End => return Err(io::ErrorKind::WriteZero.into()),
            Moved::Later if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_micros(200)),
            Moved::Later => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}
