//! Worker: one event loop on one thread. It accepts, decides, connects, relays and closes, and shares nothing that
//! it would have to lock for a connection.

mod accept;
mod adopt;
mod announce;
mod choice;
mod closing;
mod cluster;
mod connection;
mod deadlines;
mod dialling;
mod end;
mod env;
mod events;
mod existing;
mod handing;
mod handshake;
mod listener;
mod mailbox;
mod mirroring;
mod mirrors;
mod neighbours;
mod next;
mod opening;
mod passing;
mod redirected;
mod relaying;
mod reserve;
mod shaking;
mod shared;
mod slots;
mod socket;
mod stage;
mod token;
mod vanished;
mod warm;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::cache::Cache;
use l4::config::ProxyName;
use l4::ending::Ending;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::connection_info::ConnectionInfo;
use crate::contexts::Contexts;
use crate::counters::{ListenerKey, WorkerCounters};
use crate::log::LogBuffer;
use crate::relay::Buffers;
use cluster::LocalCluster;
use deadlines::{Clock, Deadlines, Micros};
use end::End;
use env::Env;
use existing::RouteDrains;
use handshake::Lane;
use listener::{LocalListener, SharedBalance};
pub(crate) use mailbox::{Adoption, Command, Mailbox};
use mirrors::Mirrors;
pub(crate) use neighbours::Neighbours;
pub(crate) use passing::Passing;
use relaying::streams::Streams;
use relaying::turns::Turns;
use reserve::Reserve;
pub(crate) use shared::Shared;
use slots::Slots;
use token::Token;
use warm::Warm;

/// Limit on the events of one wait.
const EVENTS: usize = 512;
/// Limit on the time that a log line waits for more.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

const MILLISECOND: Duration = Duration::from_millis(1);

/// State of one worker.
pub(crate) struct Worker {
    env: Env,
    mailbox: Arc<Mailbox>,
    clock: Clock,
    generation: u64,
    next_id: u64,
    balances: BTreeMap<ListenerKey, SharedBalance>,
    /// Clusters that are served, by proxy and name.
    clusters: BTreeMap<(ProxyName, Arc<str>), Rc<LocalCluster>>,
    /// Captured listeners that are served.
    captured: BTreeMap<ListenerKey, Rc<LocalListener>>,
    /// TLS contexts of the served configuration.
    contexts: Arc<Contexts>,
    slots: Slots,
    stream_events: Vec<epoll::Event>,
    log_due: Option<Micros>,
    drains: RouteDrains,
    reserve: Reserve,
    /// Held while draining; dropped when the last connection ended.
    drained: Option<Sender<()>>,
    stopped: bool,
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    }
}

impl Worker {
    /// Prepares a worker; [`Worker::run`] runs it.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        mailbox: Arc<Mailbox>,
        counters: Arc<WorkerCounters>,
        log: LogBuffer,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, mailbox.wake_fd(), Token::Mail.into(), EventFlags::IN)?;
        Ok(Self {
            mailbox,
            clock: Clock::start(),
            generation: 0,
            next_id: index as u64,
            balances: BTreeMap::new(),
            clusters: BTreeMap::new(),
            captured: BTreeMap::new(),
            contexts: Arc::default(),
            slots: Slots::default(),
            stream_events: Vec::with_capacity(EVENTS),
            log_due: None,
            drains: RouteDrains::seeded(shared.seed.wrapping_add(index as u64)),
            reserve: Reserve::copy_of(&epoll),
            drained: None,
            stopped: false,
            env: Env {
                worker: index,
                addresses: Cache::new(Arc::clone(&shared.addresses)),
                shared,
                streams: Streams::within(&epoll)?,
                epoll,
                now: Micros::default(),
                sockets: Vec::new(),
                accept_again: None,
                told_exhausted: None,
                deadlines: Deadlines::default(),
                buffers: Buffers::new(),
                turns: Turns::default(),
                lane: Lane::default(),
                warm: Warm::default(),
                mirrors: Mirrors::default(),
                counters,
                log,
            },
        })
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.stopped {
            if let Err(errno) = self.wait(&mut events) {
                tracing::error!(worker = self.env.worker, %errno, "the event loop cannot wait for events and ends");
                break;
            }
            self.env.now = self.clock.now();
            for event in events.drain(..) {
                match event.data.into() {
                    Token::Connection(slot, side) => self.on_event(slot, side, event.flags),
                    Token::Mirror(place) => {
                        self.env.mirrors.on_event(place, event.flags, &mut self.env.buffers);
                    }
                    Token::Listener(index) => self.accept(index),
                    Token::Streams => self.look_at_streams(),
                    Token::Mail => self.read_mail(),
                }
            }
            if self.env.streams.due().is_some_and(|due| due <= self.env.now) {
                self.look_at_streams();
            }
            self.carry_bulk();
            if self.has_handshakes() {
                self.shake_one();
            }
            self.on_time();
            self.slots.reclaim();
            self.env.mirrors.reclaim();
            if let Some(neighbours) = &self.env.shared.neighbours {
                neighbours.note(self.env.worker, self.slots.taken());
            }
            if self.slots.taken() == 0 {
                self.env.turns.clear();
                if self.env.sockets.is_empty()
                    && self.env.mirrors.is_empty()
                    && let Some(done) = self.drained.take()
                {
                    // the receiver of the end goes on when all lines are handed on
                    self.env.log.flush();
                    drop(done);
                }
            }
        }
        self.close_all();
        self.env.log.flush();
    }

    /// Waits for events, or until something is due.
    fn wait(&self, events: &mut Vec<epoll::Event>) -> rustix::io::Result<()> {
        let mut timeout = self.timeout();
        if let Some(wait) = timeout.filter(|wait| *wait < MILLISECOND && !wait.is_zero()) {
            // epoll counts in milliseconds, at least where kernels are old
            match poll(&mut [PollFd::new(&self.env.epoll, PollFlags::IN)], Some(&timespec(wait))) {
                Ok(_) | Err(Errno::INTR) => timeout = Some(Duration::ZERO),
                Err(errno) => return Err(errno),
            }
        }
        match epoll::wait(&self.env.epoll, spare_capacity(events), timeout.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Returns the time until something other than an event is due; `None`: no limit.
    fn timeout(&self) -> Option<Duration> {
        if !self.env.turns.is_empty() || self.has_handshakes() {
            return Some(Duration::ZERO);
        }
        let env = &self.env;
        let due = deadlines::first([
            env.deadlines.next(),
            self.log_due,
            env.accept_again,
            self.drains.again,
            env.warm.due,
            env.mirrors.next_due(),
        ]);
        // rounded up to what epoll can wait for, or the last millisecond would be spent spinning
        let patience = due.map(|due| (due.since(self.env.now) + MILLISECOND).max(MILLISECOND));
        let streams = self.env.streams.due().map(|due| due.since(self.env.now));
        patience.into_iter().chain(streams).min()
    }

    /// Returns `true` if any connection has a step of a TLS handshake to do.
    fn has_handshakes(&self) -> bool {
        !self.env.lane.is_empty() || self.env.mirrors.has_steps()
    }

    fn on_time(&mut self) {
        let now = self.env.now;
        while let Some(slot) = self.env.deadlines.pop_due(now) {
            self.on_deadline(slot);
        }
        if self.env.accept_again.is_some_and(|due| due <= now) {
            self.resume_accepting();
        }
        if self.drains.again.is_some_and(|due| due <= now) {
            self.move_some();
        }
        if self.env.warm.due.is_some_and(|due| due <= now) {
            self.cool();
        }
        if self.env.mirrors.next_due().is_some_and(|due| due <= now) {
            self.env.mirrors.on_time(now, &mut self.env.buffers);
        }
        match self.log_due {
            Some(due) if due <= now => {
                self.env.log.flush();
                self.log_due = None;
            }
            None if self.env.log.is_pending() => self.log_due = Some(now + LOG_PATIENCE),
            Some(_) | None => {}
        }
    }

    fn read_mail(&mut self) {
        for command in self.mailbox.take() {
            match command {
                Command::Adopt(adoption) => self.adopt(adoption),
                Command::List(reply) => {
                    // the requester may have gone
                    let _ = reply.send(self.list());
                }
                Command::Take(handed) => self.take_over(handed),
                Command::Lend(reply) => self.lend(&reply),
                Command::Drain(done) => {
                    self.stop_accepting();
                    self.drained = Some(done);
                }
                Command::CloseAll => self.close_all(),
                Command::Stop => self.stopped = true,
            }
        }
    }

    fn list(&self) -> Vec<ConnectionInfo> {
        let now = self.env.now;
        self.slots.iter().map(|(connection, stage)| stage.info(connection, now)).collect()
    }

    fn close_all(&mut self) {
        for slot in self.slots.occupied() {
            self.end(slot, End::new(Ending::Drained, "the proxy is leaving"));
        }
    }
}
