//! Thread that checks endpoints and keeps the board.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use l4::config::{Cluster, HealthCheck, Host};
use l4::decide::Addresses;
use l4::proxy_protocol::own_header;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use super::board::{Board, DueCheck};
use super::probe::{Finding, Probe};
use crate::guard::{Part, again, caught, step};

/// Limit on concurrent checks: each takes a file descriptor.
const AT_ONCE: usize = 128;
/// Token of the alarm; those of probes are below.
const ALARM: u64 = u64::MAX;

/// Running checker; dropping it ends it.
pub(crate) struct Checker {
    board: Arc<Board>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checker {
    /// Starts the thread.
    pub(crate) fn start(board: &Arc<Board>, addresses: Arc<ArcSwap<Addresses>>) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, board.alarm().fd(), EventData::new_u64(ALARM), EventFlags::IN)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let mut work = Work {
            board: Arc::clone(board),
            addresses,
            stopped: Arc::clone(&stopped),
            epoll,
            running: BTreeMap::new(),
            next_token: 0,
        };
        let thread = std::thread::Builder::new()
            .name("proxy-health".into())
            .spawn(move || again(Part::Health, || work.run()))?;
        Ok(Self { board: Arc::clone(board), stopped, thread: Some(thread) })
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        self.board.alarm().ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    board: Arc<Board>,
    addresses: Arc<ArcSwap<Addresses>>,
    stopped: Arc<AtomicBool>,
    epoll: OwnedFd,
    running: BTreeMap<u64, Running>,
    next_token: u64,
}

struct Running {
    check: DueCheck,
    probe: Probe,
    deadline: Instant,
}

impl Work {
    fn run(&mut self) {
        let mut events = Vec::with_capacity(AT_ONCE + 1);
        while !self.stopped.load(Relaxed) {
            step(Part::Health);
            let now = Instant::now();
            self.end_late(now);
            for check in self.board.turn(now, AT_ONCE - self.running.len()) {
                self.start(check, now);
            }
            // without room a due check waits for another one to end
            let next = if self.running.len() < AT_ONCE { self.board.next() } else { None };
            let deadline = self.running.values().map(|running| running.deadline).min();
            let timeout = [next, deadline].into_iter().flatten().min().map(|due| timespec(due, now));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    tracing::error!(%errno, "the health checker cannot wait for events and ends");
                    return;
                }
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    ALARM => self.board.alarm().silence(),
                    token => {
                        if caught(Part::Health, || self.on_event(token, event.flags)).is_none() {
                            self.end(token, Err("the check itself failed".into()));
                        }
                    }
                }
            }
        }
    }

    fn start(&mut self, check: DueCheck, now: Instant) {
        let Some(config) = &check.cell.cluster().health_check else { return };
        let deadline = now + config.timeout;
        let question = question(check.cell.cluster(), config);
        match self.address(&check).and_then(|address| self.connect(address, question)) {
            Ok(probe) => {
                self.running.insert(self.next_token, Running { check, probe, deadline });
                self.next_token += 1;
            }
            Err(why) => self.board.done(&check, Err(why), now),
        }
    }

    fn connect(&self, address: SocketAddr, question: Vec<u8>) -> Result<Probe, Arc<str>> {
        let in_words = |errno: Errno| Arc::from(errno.to_string());
        let probe = Probe::start(address, question).map_err(in_words)?;
        let everything = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, probe.socket(), EventData::new_u64(self.next_token), everything)
            .map_err(in_words)?;
        Ok(probe)
    }

    fn address(&self, check: &DueCheck) -> Result<SocketAddr, Arc<str>> {
        let Some(endpoint) = check.cell.cluster().endpoints.get(check.endpoint) else {
            return Err("it is not configured any more".into());
        };
        let ip = match &endpoint.host {
            Host::Ip(ip) => *ip,
            Host::Original => return Err("it is wherever each connection was meant to go".into()),
            Host::Name(name) => {
                let addresses = self.addresses.load();
                addresses.pick(name, fastrand::u64(..)).ok_or_else(|| Arc::from(addresses.why_not(name)))?
            }
        };
        Ok(SocketAddr::new(ip, endpoint.port))
    }

    fn on_event(&mut self, token: u64, flags: EventFlags) {
        let Some(running) = self.running.get_mut(&token) else { return };
        let Some(config) = &running.check.cell.cluster().health_check else { return };
        if let Some(finding) = running.probe.on_event(config, flags) {
            self.end(token, finding);
        }
    }

    fn end_late(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .running
            .iter()
            .filter(|(_, running)| running.deadline <= now)
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            if let Some(running) = self.running.get(&token) {
                let finding = running.probe.too_late();
                self.end(token, finding);
            }
        }
    }

    fn end(&mut self, token: u64, finding: Finding) {
        if let Some(running) = self.running.remove(&token) {
            self.board.done(&running.check, finding, Instant::now());
        }
    }
}

/// Returns the bytes that a check sends. If every connection begins with a PROXY header a check does
/// too: one without addresses.
fn question(cluster: &Cluster, config: &HealthCheck) -> Vec<u8> {
    let header = cluster.proxy_protocol.map(own_header).unwrap_or_default();
    [header, &config.send].concat()
}

/// Rounds up to what epoll can wait for, or the last millisecond would be spent spinning.
fn timespec(due: Instant, now: Instant) -> Timespec {
    let wait = due.saturating_duration_since(now) + Duration::from_micros(999);
    let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timespec { tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000 }
}
