//! Streams apart from the rest: they are looked at from time to time, and wake nobody meanwhile.
//!
//! A stream that is read as soon as something arrives is read in small pieces, and each piece wakes a sleeping worker:
//! that costs the sender as much as the worker, and whoever sends small messages beside the stream waits for both. So
//! the sockets of streams are watched by an epoll instance of their own. As long as they are busy the worker looks into
//! it at intervals; when they are not, the first event wakes it as any other.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use l4::ending::{Ending, Side};
use rustix::event::epoll::{self, CreateFlags, EventFlags};

use super::deadlines::Micros;
use super::{Source, Worker};

/// The first interval after a rest: what arrives in a burst is hardly held up.
const SHORTEST: Duration = Duration::from_micros(25);
/// The interval of streams that stay busy: long enough for pieces worth a system call, and at 10 GB/s still less than
/// what the sockets hold.
const LONGEST: Duration = Duration::from_micros(200);

/// When to look at streams.
pub(super) struct Streams {
    /// Watches their sockets.
    epoll: OwnedFd,
    pace: Pace,
}

/// Whether streams are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// The next event wakes the worker.
    Awaiting,
    /// Nothing wakes it before `due`.
    Busy { due: Micros, interval: Duration },
}

impl Pace {
    /// After a look that found something to do, or nothing.
    fn after_a_look(self, found: bool, now: Micros) -> Self {
        if !found {
            return Self::Awaiting;
        }
        let interval = match self {
            Self::Awaiting => SHORTEST,
            Self::Busy { interval, .. } => (interval * 2).min(LONGEST),
        };
        Self::Busy { due: now + interval, interval }
    }
}

impl Streams {
    /// Nested in the worker's own instance, which hears of one event and then no more until it is asked to.
    pub(super) fn within(outer: &OwnedFd) -> io::Result<Self> {
        let inner = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(outer, &inner, Source::Streams.token(), EventFlags::IN | EventFlags::ONESHOT)?;
        Ok(Self { epoll: inner, pace: Pace::Awaiting })
    }

    /// What watches the sockets of streams.
    pub(super) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Has a look taken soon, if none is due anyway.
    pub(super) fn expect(&mut self, now: Micros) {
        if self.pace == Pace::Awaiting {
            self.pace = self.pace.after_a_look(true, now);
        }
    }

    /// When to look next; `None`: when something wakes the worker.
    pub(super) fn due(&self) -> Option<Micros> {
        match self.pace {
            Pace::Awaiting => None,
            Pace::Busy { due, .. } => Some(due),
        }
    }
}

impl Worker {
    /// Looks at streams when it is time to.
    pub(super) fn look_when_due(&mut self) {
        if self.streams.due().is_some_and(|due| due <= self.now) {
            self.look_at_streams();
        }
    }

    /// Queues every stream that something happened to, and those that rested since the last look.
    pub(super) fn look_at_streams(&mut self) {
        let mut events = std::mem::take(&mut self.stream_events);
        // an error leaves no events, and the next look tries again
        let _ = epoll::wait(
            &self.streams.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }),
        );
        for event in events.drain(..) {
            if let Source::Connection(slot, side) = Source::of(event.data) {
                self.on_event(slot, side, event.flags);
            }
        }
        self.stream_events = events;
        self.bulk.append(&mut self.resting);
        let found = !self.bulk.is_empty();
        self.streams.pace = self.streams.pace.after_a_look(found, self.now);
        if !found {
            let again = EventFlags::IN | EventFlags::ONESHOT;
            // cannot fail for a descriptor that was added; if it did, streams would sleep until the next deadline
            if let Err(errno) =
                epoll::modify(&self.epoll, &self.streams.epoll, Source::Streams.token(), again)
            {
                tracing::error!(worker = self.index, %errno, "the event loop cannot wait for streams");
            }
        }
    }

    /// Moves the sockets of a connection that became a stream, or is none any more, to where they belong.
    pub(super) fn settle(&mut self, slot: u32) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        if connection.is_streaming() == connection.apart {
            return;
        }
        let (from, to) = match connection.apart {
            false => (&self.epoll, self.streams.epoll()),
            true => (self.streams.epoll(), &self.epoll),
        };
        connection.apart = !connection.apart;
        let place = |side, socket: &OwnedFd| {
            // what happened to the socket until now is told again by its new place
            epoll::delete(from, socket)?;
            epoll::add(to, socket, Source::Connection(slot, side).token(), Source::EVERYTHING)
        };
        let client = place(Side::Client, &connection.client);
        let backend = connection.backend.as_ref().map_or(Ok(()), |backend| place(Side::Backend, backend));
        if let Err(errno) = client.and(backend) {
            self.finish(slot, Ending::Limit, &format!("cannot watch a socket: {errno}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_grows_while_streams_are_busy_and_starts_short_again() {
        let mut now = Micros::default();
        let mut pace = Pace::Awaiting;
        let mut intervals = Vec::new();
        for found in [true, true, true, true, true, false, true] {
            pace = pace.after_a_look(found, now);
            match pace {
                Pace::Busy { due, interval } => {
                    intervals.push(interval.as_micros());
                    assert_eq!(due, now + interval);
                    now = due;
                }
                Pace::Awaiting => intervals.push(0),
            }
        }
        assert_eq!(intervals, [25, 50, 100, 200, 200, 0, 25]);
    }
}
