//! epoll, level-triggered, with a number for each socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Set of sockets to wait for.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(512) })
    }

    /// Watches a socket until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    /// Changes the events that a socket is watched for.
    pub(crate) fn change(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags)?)
    }

    /// Waits for events, for at most this number of milliseconds; `None`: no limit.
    pub(crate) fn wait(&mut self, milliseconds: Option<i64>) -> io::Result<Vec<(usize, EventFlags)>> {
        let timeout = milliseconds
            .map(|milliseconds| Timespec { tv_sec: 0, tv_nsec: milliseconds.clamp(0, 999) * 1_000_000 });
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(self.events.drain(..).map(|event| (event.data.u64() as usize, event.flags)).collect())
    }
}
