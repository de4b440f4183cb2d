//! Environment of a step of a connection: everything of its worker except the other connections.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use l4::decide::Addresses;
use l4::ending::{Ending, Side};
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;

use super::deadlines::{Deadlines, Micros};
use super::end::{End, Step};
use super::handshake::Lane;
use super::listener::ListenSocket;
use super::mirrors::Mirrors;
use super::relaying::streams::Streams;
use super::relaying::turns::Turns;
use super::shared::Shared;
use super::token::Token;
use super::warm::Warm;
use crate::counters::WorkerCounters;
use crate::log::LogBuffer;
use crate::relay::Buffers;

/// Events of a connection's socket: edge-triggered, one system call for its whole life.
pub(super) const EVERYTHING: EventFlags =
    EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

/// Pause of accepting when the process or the host has run out of a resource.
const REST: Duration = Duration::from_millis(100);
/// Minimum interval between reports about that.
const SILENCE: Duration = Duration::from_secs(10);

/// Environment of a step of a connection.
pub(super) struct Env {
    /// Index of the worker in the proxy.
    pub(super) worker: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) epoll: OwnedFd,
    /// Time at which this turn of the loop began.
    pub(super) now: Micros,
    /// Listening sockets by index; `None`: free.
    pub(super) sockets: Vec<Option<ListenSocket>>,
    /// Time at which accepting resumes; `None`: it is not paused.
    pub(super) accept_again: Option<Micros>,
    /// Time of the last report that it is paused; `None`: never.
    pub(super) told_exhausted: Option<Micros>,
    pub(super) deadlines: Deadlines,
    pub(super) buffers: Buffers,
    pub(super) streams: Streams,
    pub(super) turns: Turns,
    pub(super) lane: Lane,
    pub(super) warm: Warm,
    pub(super) mirrors: Mirrors,
    /// Addresses of endpoints that are host names.
    pub(super) addresses: Cache<Arc<ArcSwap<Addresses>>, Arc<Addresses>>,
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) log: LogBuffer,
}

impl Env {
    /// Watches a socket of a connection for all events.
    pub(super) fn watch(&self, slot: u32, side: Side, socket: &OwnedFd) -> Step {
        let token = Token::Connection(slot, side).into();
        epoll::add(&self.epoll, socket, token, EVERYTHING).map_err(cannot_watch)
    }

    /// Moves a socket of a connection to the watch of streams, or back.
    pub(super) fn watch_apart(&self, apart: bool, slot: u32, side: Side, socket: &OwnedFd) -> Step {
        let (from, to) = match apart {
            true => (&self.epoll, self.streams.epoll()),
            false => (self.streams.epoll(), &self.epoll),
        };
        // its new watch reports again what has happened to the socket until now
        epoll::delete(from, socket).map_err(cannot_watch)?;
        epoll::add(to, socket, Token::Connection(slot, side).into(), EVERYTHING).map_err(cannot_watch)
    }

    /// Pauses accepting, instead of being woken by waiting connections without end.
    pub(super) fn rest_accepting(&mut self, errno: Errno) {
        if self.told_exhausted.is_none_or(|told| self.now.since(told) >= SILENCE) {
            self.told_exhausted = Some(self.now);
            tracing::warn!(worker = self.worker, %errno, "cannot accept connections; trying again in a moment");
        }
        self.counters.rests.add(u64::from(self.accept_again.is_none()));
        if self.accept_again.replace(self.now + REST).is_none() {
            for listening in self.sockets.iter().flatten() {
                let _ = epoll::delete(&self.epoll, &listening.socket);
            }
        }
    }
}

fn cannot_watch(errno: Errno) -> End {
    End::new(Ending::Limit, format!("cannot watch a socket: {errno}"))
}
