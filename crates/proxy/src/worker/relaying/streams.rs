//! Streams, watched separately from other sockets: they are checked at intervals, and wake no worker meanwhile.
//!
//! A stream that is read as soon as something arrives is read in small pieces, and each piece wakes a sleeping
//! worker: that costs the sender as much as the worker, and small messages beside the stream wait for both. So the
//! sockets of streams are watched by an epoll instance of their own. As long as they are busy the worker checks it
//! at intervals; when they are not, the first event wakes it like any other.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventFlags};
use rustix::io::Errno;

use crate::worker::deadlines::Micros;
use crate::worker::token::Token;

/// First interval after a rest: a burst is hardly delayed.
const SHORTEST: Duration = Duration::from_micros(25);
/// Interval of streams that stay busy: long enough for pieces worth a system call, and at 10 GB/s still less than
/// what the sockets hold.
const LONGEST: Duration = Duration::from_micros(200);

/// Events of the outer instance: it gets one event, and then no more until it is armed again.
const ONE_EVENT: EventFlags = EventFlags::IN.union(EventFlags::ONESHOT);

/// Streams of a worker, and the time of their next check.
pub(in crate::worker) struct Streams {
    /// Epoll instance of their sockets.
    epoll: OwnedFd,
    pace: Pace,
}

/// Pace of the checks of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// The next event wakes the worker.
    Awaiting,
    /// Nothing wakes it before `due`.
    Busy { due: Micros, interval: Duration },
}

impl Pace {
    /// Returns the pace after a check that found something to do, or nothing.
    fn after_look(self, found: bool, now: Micros) -> Self {
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
    /// Creates an instance nested in the worker's own.
    pub(in crate::worker) fn within(outer: &OwnedFd) -> io::Result<Self> {
        let inner = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(outer, &inner, Token::Streams.into(), ONE_EVENT)?;
        Ok(Self { epoll: inner, pace: Pace::Awaiting })
    }

    /// Epoll instance that watches the sockets of streams.
    pub(in crate::worker) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// Schedules a check soon, if none is due anyway.
    pub(super) fn expect(&mut self, now: Micros) {
        if self.pace == Pace::Awaiting {
            self.pace = self.pace.after_look(true, now);
        }
    }

    /// Time of the next check; `None`: an event wakes the worker for it.
    pub(in crate::worker) fn due(&self) -> Option<Micros> {
        match self.pace {
            Pace::Awaiting => None,
            Pace::Busy { due, .. } => Some(due),
        }
    }

    /// Takes the events since the last check, as far as `events` has room.
    pub(in crate::worker) fn look(&self, events: &mut Vec<epoll::Event>) {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        // an error leaves no events, and the next check tries again
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&at_once));
    }

    /// Ends a check that found something to do, or nothing: then the next event wakes the worker.
    pub(in crate::worker) fn looked(
        &mut self,
        found: bool,
        outer: &OwnedFd,
        now: Micros,
    ) -> Result<(), Errno> {
        self.pace = self.pace.after_look(found, now);
        if found { Ok(()) } else { epoll::modify(outer, &self.epoll, Token::Streams.into(), ONE_EVENT) }
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
            pace = pace.after_look(found, now);
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
