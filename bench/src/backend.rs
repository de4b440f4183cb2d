//! Backends: one process that listens on many ports and does with each connection what its client orders.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::door;
use crate::order::{self, Order};
use crate::pace;
use crate::poll::Poll;
use crate::socket::{self, Moved};

/// Size of one write, and limit on one read, in bytes.
const CHUNK: usize = 256 << 10;
/// Number of bytes that a sink discards at once.
const GULP: usize = 4 << 20;
/// Limit on reads or writes per event before other connections are served.
const TURNS: usize = 8;

/// Serves until the process ends.
pub(crate) fn serve(addresses: &[SocketAddr]) -> io::Result<()> {
    let listeners =
        addresses.iter().map(|address| socket::listen(*address)).collect::<io::Result<Vec<_>>>()?;
    let mut backends = Backends {
        poll: Poll::new()?,
        visitors: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; CHUNK],
        room: vec![0; GULP],
        fill: vec![b'y'; CHUNK],
    };
    for (number, listener) in listeners.iter().enumerate() {
        backends.poll.add(listener, number, EventFlags::IN)?;
    }
    loop {
        for (number, flags) in backends.poll.wait(None)? {
            match listeners.get(number) {
                Some(listener) => backends.accept(listener, listeners.len())?,
                None => backends.serve_one(number - listeners.len(), number, flags)?,
            }
        }
    }
}

struct Backends {
    poll: Poll,
    visitors: Vec<Option<Visitor>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    room: Vec<u8>,
    fill: Vec<u8>,
}

struct Visitor {
    socket: OwnedFd,
    stage: Stage,
}

enum Stage {
    Ordering(Vec<u8>),
    Echo { held: Vec<u8>, written: usize, ended: bool },
    Source,
    Sink,
}

/// Fate of a connection after an event.
#[derive(PartialEq, Eq)]
enum Next {
    Stay,
    Go,
}

impl Backends {
    fn accept(&mut self, listener: &OwnedFd, first: usize) -> io::Result<()> {
        for _ in 0..64 {
            let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => socket,
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            };
            let place = self.free.pop().unwrap_or_else(|| {
                self.visitors.push(None);
                self.visitors.len() - 1
            });
            self.poll.add(&socket, place + first, EventFlags::IN)?;
            self.visitors[place] = Some(Visitor { socket, stage: Stage::Ordering(Vec::new()) });
        }
        Ok(())
    }

    fn serve_one(&mut self, place: usize, number: usize, flags: EventFlags) -> io::Result<()> {
        let Some(visitor) = self.visitors.get_mut(place).and_then(Option::as_mut) else { return Ok(()) };
        let mut next = Next::Stay;
        if flags.intersects(EventFlags::OUT) {
            next = visitor.on_writable(&self.poll, number, &self.fill)?;
        }
        if next == Next::Stay && flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            next = visitor.on_readable(&self.poll, number, &mut self.buffer, &mut self.room)?;
        }
        if next == Next::Go {
            self.visitors[place] = None;
            self.free.push(place);
        }
        Ok(())
    }
}

impl Visitor {
    fn on_readable(
        &mut self,
        poll: &Poll,
        number: usize,
        buffer: &mut [u8],
        room: &mut [u8],
    ) -> io::Result<Next> {
        for _ in 0..TURNS {
            let sink = matches!(self.stage, Stage::Sink);
            let moved = match sink {
                true => socket::discard(&self.socket, room),
                false => socket::read(&self.socket, buffer),
            };
            match moved {
                Ok(Moved::Bytes(_)) if sink => {}
                Ok(Moved::Bytes(bytes)) => {
                    let full = bytes == buffer.len();
                    if self.take(poll, number, &buffer[..bytes])? == Next::Go {
                        return Ok(Next::Go);
                    }
                    let waits = matches!(&self.stage, Stage::Echo { held, .. } if !held.is_empty());
                    if !full || waits {
                        return Ok(Next::Stay);
                    }
                }
                Ok(Moved::End) => {
                    if let Stage::Echo { held, ended, .. } = &mut self.stage
                        && !held.is_empty()
                    {
                        *ended = true;
                        poll.change(&self.socket, number, EventFlags::OUT)?;
                        return Ok(Next::Stay);
                    }
                    return Ok(Next::Go);
                }
                Ok(Moved::Later) => return Ok(Next::Stay),
                Err(_) => return Ok(Next::Go),
            }
        }
        Ok(Next::Stay)
    }

    fn take(&mut self, poll: &Poll, number: usize, bytes: &[u8]) -> io::Result<Next> {
        match &mut self.stage {
            Stage::Ordering(known) => {
                known.extend_from_slice(bytes);
                // the hello that a client sends to an ingress
                if known.first() == Some(&0x16) {
                    match door::record(known) {
                        Some(length) => drop(known.drain(..length)),
                        None => return Ok(Next::Stay),
                    }
                }
                let Some((order, rest)) = known.split_first_chunk::<{ order::BYTES }>() else {
                    return Ok(Next::Stay);
                };
                let Some(order) = Order::read(*order) else { return Ok(Next::Go) };
                let rest = rest.to_vec();
                self.stage = match order {
                    Order::Echo => Stage::Echo { held: Vec::new(), written: 0, ended: false },
                    Order::Sink => Stage::Sink,
                    Order::Source(pace) => {
                        if let Some(pace) = pace {
                            pace::limit(&self.socket, pace)?;
                        }
                        poll.change(&self.socket, number, EventFlags::IN | EventFlags::OUT)?;
                        Stage::Source
                    }
                };
                if rest.is_empty() { Ok(Next::Stay) } else { self.take(poll, number, &rest) }
            }
            Stage::Echo { held, written, .. } => {
                let sent = match socket::write(&self.socket, bytes) {
                    Ok(Moved::Bytes(sent)) => sent,
                    Ok(Moved::Later) => 0,
                    Ok(Moved::End) | Err(_) => return Ok(Next::Go),
                };
                if sent < bytes.len() {
                    // reading pauses until this is written
                    (*held, *written) = (bytes[sent..].to_vec(), 0);
                    poll.change(&self.socket, number, EventFlags::OUT)?;
                }
                Ok(Next::Stay)
            }
            Stage::Source | Stage::Sink => Ok(Next::Stay),
        }
    }

    fn on_writable(&mut self, poll: &Poll, number: usize, fill: &[u8]) -> io::Result<Next> {
        match &mut self.stage {
            Stage::Source => {
                for _ in 0..TURNS {
                    match socket::write(&self.socket, fill) {
                        Ok(Moved::Bytes(_)) => {}
                        Ok(Moved::Later) => break,
                        Ok(Moved::End) | Err(_) => return Ok(Next::Go),
                    }
                }
            }
            Stage::Echo { held, written, ended } => match socket::write(&self.socket, &held[*written..]) {
                Ok(Moved::Bytes(sent)) => {
                    *written += sent;
                    if *written == held.len() {
                        if *ended {
                            return Ok(Next::Go);
                        }
                        held.clear();
                        poll.change(&self.socket, number, EventFlags::IN)?;
                    }
                }
                Ok(Moved::Later) => {}
                Ok(Moved::End) | Err(_) => return Ok(Next::Go),
            },
            Stage::Ordering(_) | Stage::Sink => {}
        }
        Ok(Next::Stay)
    }
}
