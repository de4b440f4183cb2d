//! One event loop on one thread: it accepts, decides, connects, relays and closes, and shares nothing that it would
//! have to lock for a connection.

mod accept;
mod adopt;
mod carry;
mod cluster;
mod connection;
mod deadlines;
mod finish;
mod header;
mod live;
mod mailbox;
mod moves;
mod open;
mod shared;
mod slots;
mod sockets;
mod spare;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;
use l4::config::ProxyName;
use l4::decide::Addresses;
use l4::ending::{Ending, Side};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::counters::{ListenerKey, WorkerCounters};
use crate::log::LogBuffer;
use crate::relay::Kit;
use cluster::ClusterOf;
use deadlines::{Clock, Deadlines, Micros};
use live::{BalanceOf, ListenSocket};
pub(crate) use mailbox::{Adoption, Command, Mailbox};
use moves::Moves;
pub(crate) use shared::Shared;
use slots::Slots;
use spare::Spare;
use streams::Streams;

/// How many events one wait may return.
const EVENTS: usize = 512;
/// How long a log line may wait for company.
const LOG_PATIENCE: Duration = Duration::from_millis(100);

const MILLISECOND: Duration = Duration::from_millis(1);

/// One worker.
pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    epoll: OwnedFd,
    clock: Clock,
    now: Micros,
    generation: u64,
    next_id: u64,
    sockets: Vec<Option<ListenSocket>>,
    balances: BTreeMap<ListenerKey, BalanceOf>,
    /// The clusters that are served, by proxy and name.
    clusters: BTreeMap<(ProxyName, Arc<str>), Rc<ClusterOf>>,
    slots: Slots,
    deadlines: Deadlines,
    kit: Kit,
    /// Watches the sockets of connections that stream.
    streams: Streams,
    stream_events: Vec<epoll::Event>,
    /// Connections that move bulk and have more to do, in the order of their turns.
    bulk: VecDeque<u32>,
    /// Connections that moved all that was there, and will have more by the next look at streams.
    resting: VecDeque<u32>,
    /// How many reads a bulk direction may do in its turn.
    quantum: u32,
    /// Whether a small message was served since the last turn of bulk.
    small_seen: bool,
    addresses: Cache<Arc<ArcSwap<Addresses>>, Arc<Addresses>>,
    counters: Arc<WorkerCounters>,
    log: LogBuffer,
    log_due: Option<Micros>,
    accept_again: Option<Micros>,
    moves: Moves,
    told_exhausted: Option<Micros>,
    spare: Spare,
    /// Held while draining; dropped when the last connection ended.
    drained: Option<Sender<()>>,
    stopped: bool,
}

/// What an event is about.
enum Source {
    Wake,
    Streams,
    Listener(usize),
    Connection(u32, Side),
}

impl Source {
    /// What the sockets of a connection are watched for: edge-triggered, one system call for their whole life.
    const EVERYTHING: EventFlags =
        EventFlags::IN.union(EventFlags::OUT).union(EventFlags::RDHUP).union(EventFlags::ET);

    fn token(&self) -> EventData {
        EventData::new_u64(match *self {
            Self::Connection(slot, Side::Client) => u64::from(slot) << 2,
            Self::Connection(slot, Side::Backend) => u64::from(slot) << 2 | 1,
            Self::Listener(index) => (index as u64) << 2 | 2,
            Self::Wake => 3,
            Self::Streams => 1 << 2 | 3,
        })
    }

    fn of(token: EventData) -> Self {
        let token = token.u64();
        match token & 3 {
            0 => Self::Connection((token >> 2) as u32, Side::Client),
            1 => Self::Connection((token >> 2) as u32, Side::Backend),
            2 => Self::Listener((token >> 2) as usize),
            _ if token >> 2 == 0 => Self::Wake,
            _ => Self::Streams,
        }
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    }
}

impl Worker {
    /// Prepares a worker; [`Worker::run`] is its life.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        mailbox: Arc<Mailbox>,
        counters: Arc<WorkerCounters>,
        log: LogBuffer,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, mailbox.wake_fd(), Source::Wake.token(), EventFlags::IN)?;
        let moves = Moves::seeded(shared.seed.wrapping_add(index as u64));
        let streams = Streams::within(&epoll)?;
        Ok(Self {
            index,
            addresses: Cache::new(Arc::clone(&shared.addresses)),
            shared,
            mailbox,
            spare: Spare::copy_of(&epoll),
            epoll,
            clock: Clock::start(),
            now: Micros::default(),
            generation: 0,
            next_id: index as u64,
            sockets: Vec::new(),
            balances: BTreeMap::new(),
            clusters: BTreeMap::new(),
            slots: Slots::default(),
            deadlines: Deadlines::default(),
            kit: Kit::new(),
            streams,
            stream_events: Vec::with_capacity(EVENTS),
            bulk: VecDeque::new(),
            resting: VecDeque::new(),
            quantum: 1,
            small_seen: false,
            counters,
            log,
            log_due: None,
            accept_again: None,
            moves,
            told_exhausted: None,
            drained: None,
            stopped: false,
        })
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.stopped {
            if let Err(errno) = self.wait(&mut events) {
                tracing::error!(worker = self.index, %errno, "the event loop cannot wait for events and ends");
                break;
            }
            self.now = self.clock.now();
            for event in events.drain(..) {
                match Source::of(event.data) {
                    Source::Connection(slot, side) => self.on_event(slot, side, event.flags),
                    Source::Listener(index) => self.accept(index),
                    Source::Streams => self.look_at_streams(),
                    Source::Wake => self.read_mail(),
                }
            }
            self.look_when_due();
            self.carry_bulk();
            self.on_time();
            self.slots.reclaim();
            if self.slots.live() == 0 {
                self.bulk.clear();
                self.resting.clear();
                if self.sockets.is_empty() {
                    self.drained = None;
                }
            }
        }
        self.close_all(Ending::Drained);
        self.log.flush();
    }

    /// Waits for events, or until something is due.
    fn wait(&self, events: &mut Vec<epoll::Event>) -> rustix::io::Result<()> {
        let mut timeout = self.timeout();
        if let Some(wait) = timeout.filter(|wait| *wait < MILLISECOND && !wait.is_zero()) {
            // epoll counts in milliseconds, at least where kernels are old
            match poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timespec(wait))) {
                Ok(_) | Err(Errno::INTR) => timeout = Some(Duration::ZERO),
                Err(errno) => return Err(errno),
            }
        }
        match epoll::wait(&self.epoll, spare_capacity(events), timeout.map(timespec).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// How long nothing can happen that is not an event; `None`: forever.
    fn timeout(&self) -> Option<Duration> {
        if !self.bulk.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = [self.deadlines.next(), self.log_due, self.accept_again, self.moves.again];
        let due = due.into_iter().flatten().min();
        // rounded up to what epoll can wait for, or the last millisecond would be spent spinning
        let patience = due.map(|due| (due.since(self.now) + MILLISECOND).max(MILLISECOND));
        let streams = self.streams.due().map(|due| due.since(self.now));
        patience.into_iter().chain(streams).min()
    }

    fn on_time(&mut self) {
        while let Some(slot) = self.deadlines.pop_due(self.now) {
            self.on_deadline(slot);
        }
        if self.accept_again.is_some_and(|due| due <= self.now) {
            self.resume_accepting();
        }
        if self.moves.again.is_some_and(|due| due <= self.now) {
            self.move_some();
        }
        match self.log_due {
            Some(due) if due <= self.now => {
                self.log.flush();
                self.log_due = None;
            }
            None if self.log.is_pending() => self.log_due = Some(self.now + LOG_PATIENCE),
            Some(_) | None => {}
        }
    }

    fn read_mail(&mut self) {
        for command in self.mailbox.take() {
            match command {
                Command::Adopt(adoption) => self.adopt(adoption),
                Command::List(reply) => {
                    // whoever asked may have gone
                    let _ = reply.send(self.list());
                }
                Command::Lend(reply) => self.lend(&reply),
                Command::Drain(done) => {
                    self.stop_accepting();
                    self.drained = Some(done);
                }
                Command::CloseAll => self.close_all(Ending::Drained),
                Command::Stop => self.stopped = true,
            }
        }
    }

    fn list(&self) -> Vec<crate::connection_info::ConnectionInfo> {
        self.slots.iter().map(|connection| connection.info(self.now)).collect()
    }

    fn close_all(&mut self, ending: Ending) {
        for slot in self.slots.occupied() {
            self.finish(slot, ending, "the proxy is leaving");
        }
    }
}
