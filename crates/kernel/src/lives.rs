//! Live connections, and those of them that have to end: idle ones, old ones, and those whose route closes them when
//! its weights change.

mod existing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l4::config::{Backend, ProxyName};
use l4::direct::{Direct, DirectEventKind};
use l4::ending::Ending;
use l4::existing::{AT_ONCE, ClosableConnection, Drain, pause};

use crate::diag::{Moved, Socket};

pub(crate) use existing::ChangedListener;

/// Interval between checks for expired connections.
const LOOK: Duration = Duration::from_millis(500);
/// Shortest interval between requests for idle times; longer if a tenth of the shortest idle timeout is longer.
const LEAST_BETWEEN: Duration = Duration::from_millis(500);

/// Live connections.
pub(crate) struct Lives {
    lives: BTreeMap<u64, Life>,
    drains: Vec<RouteDrain>,
    /// Reasons of connections that were ended, and whose end was not reported yet.
    ended: BTreeMap<u64, (Ending, Arc<str>)>,
    next_turn: Option<Instant>,
    next_look: Instant,
    next_idle_look: Instant,
    chance: fastrand::Rng,
}

struct Life {
    connection: Direct,
    since: Instant,
    /// Time at which it is closed because its backend was removed; `None`: not due to that.
    close_at: Option<Instant>,
}

/// Drain of one route.
struct RouteDrain {
    listener: (ProxyName, Arc<str>),
    route: Arc<str>,
    /// Generation before which the drained connections were decided.
    born_before: u64,
    drain: Drain,
}

/// Connection that has to end now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) socket: Socket,
    pub(crate) ending: Ending,
    pub(crate) why: Arc<str>,
}

impl Lives {
    /// Starts without connections.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            lives: BTreeMap::new(),
            drains: Vec::new(),
            ended: BTreeMap::new(),
            next_turn: None,
            next_look: now,
            next_idle_look: now,
            chance: fastrand::Rng::new(),
        }
    }

    /// Updates the state by an event of a connection.
    pub(crate) fn note(&mut self, cookie: u64, connection: &Direct, news: &DirectEventKind, since: Instant) {
        match news {
            DirectEventKind::Opened(_) => {
                let life = Life { connection: connection.clone(), since, close_at: None };
                self.lives.insert(cookie, life);
            }
            DirectEventKind::Ended(_) => {
                self.lives.remove(&cookie);
                self.ended.remove(&cookie);
            }
        }
    }

    /// Forgets all connections, since it is unknown which of them live.
    pub(crate) fn forget(&mut self) {
        self.lives.clear();
        self.ended.clear();
    }

    /// Records that a connection was ended, and why.
    pub(crate) fn end(&mut self, due: &Due) {
        self.ended.insert(due.socket.cookie, (due.ending, Arc::clone(&due.why)));
    }

    /// Reason for which a connection was ended; `None`: it was not.
    pub(crate) fn why(&self, cookie: u64) -> Option<&(Ending, Arc<str>)> {
        self.ended.get(&cookie)
    }

    /// Returns `true` if a connection is live.
    pub(crate) fn has(&self, cookie: u64) -> bool {
        self.lives.contains_key(&cookie)
    }

    /// Connections that have to end now. `moved` returns the activity of each socket; it is called only if needed.
    pub(crate) fn due(&mut self, now: Instant, moved: impl Fn() -> BTreeMap<u64, Moved>) -> Vec<Due> {
        let mut due = Vec::new();
        if self.next_look <= now {
            self.next_look = now + LOOK;
            due.extend(self.over(now));
            due.extend(self.idle(now, &moved));
        }
        if self.next_turn.is_some_and(|turn| turn <= now) {
            self.next_turn = None;
            due.extend(self.excess(&moved()));
        }
        due.retain(|due| !self.ended.contains_key(&due.socket.cookie));
        due
    }

    /// Connections that are too old, or whose grace is over.
    fn over(&self, now: Instant) -> Vec<Due> {
        let over = self.lives.iter().filter_map(|(cookie, life)| {
            let Life { connection, since, close_at } = life;
            let old = connection.listener.max_age.is_some_and(|age| *since + age <= now);
            let (ending, why) = match close_at {
                Some(at) if *at <= now => {
                    (Ending::DrainedByRoute, "its backend was removed from the route, and the grace is over")
                }
                Some(_) | None if old => {
                    (Ending::MaxAge, "it is as old as the listener lets connections become")
                }
                Some(_) | None => return None,
            };
            Due::of(*cookie, connection, ending, why)
        });
        over.collect()
    }

    /// Connections past their idle timeout.
    fn idle(&mut self, now: Instant, moved: impl Fn() -> BTreeMap<u64, Moved>) -> Vec<Due> {
        if self.next_idle_look > now {
            return Vec::new();
        }
        let may_be =
            |life: &&Life| life.connection.listener.idle_timeout.is_some_and(|idle| life.since + idle <= now);
        let shortest =
            self.lives.values().filter(may_be).filter_map(|it| it.connection.listener.idle_timeout).min();
        let Some(shortest) = shortest else { return Vec::new() };
        self.next_idle_look = now + (shortest / 10).max(LEAST_BETWEEN);
        let moved = moved();
        let idle = self.lives.iter().filter(|(_, life)| may_be(life)).filter_map(|(cookie, life)| {
            let is_idle = moved.get(cookie)?.quiet >= life.connection.listener.idle_timeout?;
            let why = "nothing moved in either direction";
            is_idle.then(|| Due::of(*cookie, &life.connection, Ending::IdleTimeout, why)).flatten()
        });
        idle.collect()
    }

    /// Takes a turn of every drain: some of the connections above the share of their backend, the longest idle first.
    fn excess(&mut self, moved: &BTreeMap<u64, Moved>) -> Vec<Due> {
        let mut due = Vec::new();
        for drain in std::mem::take(&mut self.drains) {
            let concerned = self.lives.iter().filter(|(cookie, life)| {
                let Life { connection, since: _, close_at } = life;
                let listener = &connection.listener;
                connection.generation < drain.born_before
                    && close_at.is_none()
                    && !self.ended.contains_key(cookie)
                    && (&listener.proxy, &listener.name) == (&drain.listener.0, &drain.listener.1)
                    && connection.route().is_some_and(|route| route.name == drain.route)
            });
            let concerned: Vec<(&u64, &Life)> = concerned.collect();
            let members = (0..).zip(&concerned).filter_map(|(key, (cookie, life))| {
                let cluster = cluster_of(&life.connection, life.connection.backend)?;
                Some(ClosableConnection {
                    key,
                    cluster,
                    idle: moved.get(*cookie).copied().unwrap_or_default().quiet,
                })
            });
            let chosen = drain.drain.choose(members.collect(), AT_ONCE);
            let closed = chosen.iter().filter_map(|key| {
                let (cookie, life) = concerned.get(*key as usize)?;
                let why = "its backend had more connections than its new share";
                Due::of(**cookie, &life.connection, Ending::DrainedByRoute, why)
            });
            due.extend(closed);
            if !chosen.is_empty() {
                self.drains.push(drain);
            }
        }
        if !self.drains.is_empty() {
            self.next_turn = Some(Instant::now() + pause(self.chance.u64(..)));
        }
        due
    }
}

impl Due {
    fn of(cookie: u64, connection: &Direct, ending: Ending, why: &str) -> Option<Self> {
        let socket = Socket { here: connection.client, there: connection.endpoint?.address, cookie };
        Some(Self { socket, ending, why: why.into() })
    }
}

/// Cluster of a backend of the route that decided.
fn cluster_of(connection: &Direct, backend: Option<usize>) -> Option<&str> {
    connection.route()?.backends.get(backend?).map(Backend::cluster_name)
}
