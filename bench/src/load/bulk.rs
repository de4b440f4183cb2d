//! Streams that carry as much data as they can, or as much as their pace allows.

use std::io;
use std::num::NonZeroU32;
use std::time::Instant;

use rustix::event::epoll::EventFlags;

use super::{BulkDirection, order, read_patiently};
use crate::door::Door;
use crate::order::Order;
use crate::poll::Poll;
use crate::socket::{self, Moved};
use crate::window::{Phase, Sample, Watch, Window};

const CHUNK: usize = 256 << 10;
const GULP: usize = 4 << 20;
/// Limit on reads or writes per event before the other streams are served.
const TURNS: usize = 4;

/// Runs the load; the unit of work is a gigabyte.
pub(super) fn bulk(
    target: Door,
    window: Window,
    streams: usize,
    way: BulkDirection,
    pace: Option<NonZeroU32>,
) -> io::Result<Sample> {
    let (ordered, flags) = match way {
        BulkDirection::Down => (Order::Source(pace), EventFlags::IN),
        BulkDirection::Up => (Order::Sink, EventFlags::OUT),
    };
    let sockets = (0..streams).map(|_| order(target, ordered)).collect::<io::Result<Vec<_>>>()?;
    let mut poll = Poll::new()?;
    let mut room = vec![0; GULP];
    for (number, socket) in sockets.iter().enumerate() {
        if way == BulkDirection::Down {
            read_patiently(socket, &mut room[..1])?;
        }
        poll.add(socket, number, flags)?;
    }
    let fill = vec![b'z'; CHUNK];
    let mut bytes = 0u64;
    let mut watch = Watch::start(window);
    loop {
        match watch.phase(Instant::now()) {
            Phase::WarmUp | Phase::Measured => {}
            Phase::Begins => bytes = 0,
            Phase::Over => return Ok(watch.sample(bytes as f64 / 1e9, &mut [])),
        }
        for (number, _) in poll.wait(Some(20))? {
            let Some(socket) = sockets.get(number) else { continue };
            for _ in 0..TURNS {
                let moved = match way {
                    BulkDirection::Down => socket::discard(socket, &mut room)?,
                    BulkDirection::Up => socket::write(socket, &fill)?,
                };
                match moved {
                    Moved::Bytes(more) => bytes += more as u64,
                    Moved::Later => break,
                    Moved::End => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }
}
