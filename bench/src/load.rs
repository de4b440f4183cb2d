//! Loads: clients of a proxy, each load in one thread, and bounded in time.

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

/// Size of a request, and of its answer, in bytes.
const REQUEST: usize = 64;
/// Time limit from connect to the first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Direction of bulk data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BulkDirection {
    /// To the client.
    Down,
    /// To the backend.
    Up,
}

/// Behaviour of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// As much data as possible over this number of streams.
    Bulk(usize, BulkDirection),
    /// Request and answer of 64 bytes in turn, on each of this number of connections.
    Ask(usize),
    /// Connect, request, answer, close; this number at a time.
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
                mixed::MixedLoad { streams: 4, pace: NonZeroU32::new(500), asking: 16 },
            ),
        }
    }
}

/// Opens a connection, and sends its order.
fn order(target: Door, order: Order) -> io::Result<OwnedFd> {
    let socket = dial(target.address)?;
    write_all(&socket, target.first)?;
    write_all(&socket, &order.bytes())?;
    Ok(socket)
}

/// Waits until the socket is readable, and reads.
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

/// Writes a few bytes, waiting where necessary.
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
