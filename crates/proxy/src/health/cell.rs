//! What workers and the checker share about one cluster.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use arc_swap::{ArcSwap, Guard};
use l4::balance::Roster;
use l4::config::Cluster;
use l4::health::{Full, Usage};
use rustix::event::{EventfdFlags, eventfd};

use crate::limits::{Place, Places};

/// One cluster, as one version of the configuration has it. Nobody waits for anybody here.
#[derive(Debug)]
pub(crate) struct Cell {
    cluster: Arc<Cluster>,
    roster: ArcSwap<Roster>,
    tallies: Box<[Tally]>,
    bounds: Arc<Bounds>,
    alarm: Arc<Alarm>,
}

/// What connections of clients told about an endpoint lately.
#[derive(Debug, Default)]
struct Tally {
    /// Connects that failed, since one succeeded.
    failures: AtomicU32,
    /// Connections that the endpoint reset before it sent a byte, since one went well.
    resets: AtomicU32,
}

/// How an endpoint failed too often in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// Connecting to it failed so many times.
    Connects(u32),
    /// It reset so many connections before it had sent a byte.
    Resets(u32),
}

impl Failing {
    /// Says so, for whoever looks.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Connects(times) => format!("{times} connects in a row failed"),
            Self::Resets(times) => format!("it reset {times} connections in a row before its first byte"),
        }
    }
}

/// How many connections there may be, over all versions of a cluster.
#[derive(Debug)]
pub(super) struct Bounds {
    connections: Arc<Places>,
    pending: Arc<Places>,
}

impl Bounds {
    pub(super) fn new(cluster: &Cluster) -> Arc<Self> {
        let places = || Arc::new(Places::new(usize::MAX));
        let bounds = Self { connections: places(), pending: places() };
        bounds.set(cluster);
        Arc::new(bounds)
    }

    /// Takes over the limits of a changed cluster; what is taken stays taken.
    pub(super) fn set(&self, cluster: &Cluster) {
        let limit =
            |limit: Option<std::num::NonZeroU32>| limit.map_or(usize::MAX, |limit| limit.get() as usize);
        self.connections.set_limit(limit(cluster.max_connections));
        self.pending.set_limit(limit(cluster.max_pending));
    }
}

impl Cell {
    pub(super) fn new(cluster: Arc<Cluster>, roster: Roster, bounds: Arc<Bounds>, alarm: Arc<Alarm>) -> Self {
        let tallies = cluster.endpoints.iter().map(|_| Tally::default()).collect();
        Self { cluster, roster: ArcSwap::from_pointee(roster), tallies, bounds, alarm }
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Which endpoints take connections now.
    pub(crate) fn roster(&self) -> Guard<Arc<Roster>> {
        self.roster.load()
    }

    /// The same, for whoever keeps it for longer.
    pub(crate) fn whole_roster(&self) -> Arc<Roster> {
        self.roster.load_full()
    }

    /// What stays when the cluster changes.
    pub(super) fn shared(&self) -> (Arc<Bounds>, Arc<Alarm>) {
        (Arc::clone(&self.bounds), Arc::clone(&self.alarm))
    }

    pub(super) fn set_roster(&self, roster: Roster) {
        self.roster.store(Arc::new(roster));
        self.alarm.changes.fetch_add(1, Release);
    }

    /// Takes the places of a connection that is about to be established, where the cluster has limits.
    pub(crate) fn take_places(&self) -> Result<[Option<Place>; 2], Full> {
        let take = |limited: bool, places: &Arc<Places>, full| {
            if limited { places.take().map(Some).ok_or(full) } else { Ok(None) }
        };
        let connection =
            take(self.cluster.max_connections.is_some(), &self.bounds.connections, Full::Connections)?;
        let pending = take(self.cluster.max_pending.is_some(), &self.bounds.pending, Full::Pending)?;
        Ok([connection, pending])
    }

    /// The places of its connections, and of those that are being established, where they are limited.
    pub(crate) fn bounded(&self) -> [Option<Arc<Places>>; 2] {
        let Cluster { max_connections, max_pending, .. } = &*self.cluster;
        let Bounds { connections, pending } = &*self.bounds;
        [(max_connections, connections), (max_pending, pending)]
            .map(|(limit, places)| limit.map(|_| Arc::clone(places)))
    }

    /// A connection to an endpoint was established.
    pub(crate) fn connected(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            forget(&tally.failures);
        }
    }

    /// A connection to an endpoint could not be established.
    pub(crate) fn failed(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            self.count(&tally.failures);
        }
    }

    /// A connection to an endpoint ended after it had sent something, or in order.
    pub(crate) fn went_well(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            forget(&tally.resets);
        }
    }

    /// An endpoint reset a connection before it had sent a byte.
    pub(crate) fn was_reset(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            self.count(&tally.resets);
        }
    }

    fn watched(&self, endpoint: usize) -> Option<&Tally> {
        self.threshold()?;
        self.tallies.get(endpoint)
    }

    fn threshold(&self) -> Option<u32> {
        Some(self.cluster.outlier.as_ref()?.consecutive?.get())
    }

    fn count(&self, events: &AtomicU32) {
        let so_far = events.fetch_add(1, Relaxed).saturating_add(1);
        if self.threshold().is_some_and(|threshold| so_far >= threshold) {
            self.alarm.ring();
        }
    }

    /// The endpoints that failed too often in a row; they begin anew.
    pub(super) fn take_failing(&self) -> Vec<(usize, Failing)> {
        let Some(threshold) = self.threshold() else { return Vec::new() };
        let failing = |tally: &Tally| {
            let (failures, resets) = (tally.failures.load(Relaxed), tally.resets.load(Relaxed));
            let failing = match (failures >= threshold, resets >= threshold) {
                (true, _) => Failing::Connects(failures),
                (false, true) => Failing::Resets(resets),
                (false, false) => return None,
            };
            tally.failures.store(0, Relaxed);
            tally.resets.store(0, Relaxed);
            Some(failing)
        };
        let tallies = self.tallies.iter().enumerate();
        tallies.filter_map(|(endpoint, tally)| Some((endpoint, failing(tally)?))).collect()
    }

    /// How many of its connections live, and how many are being established, where that is limited.
    pub(super) fn usage(&self) -> [Option<Usage>; 2] {
        let usage = |limited: bool, places: &Places| {
            limited.then(|| Usage { used: places.taken(), limit: places.limit() })
        };
        [
            usage(self.cluster.max_connections.is_some(), &self.bounds.connections),
            usage(self.cluster.max_pending.is_some(), &self.bounds.pending),
        ]
    }
}

/// Most of the time there is nothing to forget, and reading takes the cache line from nobody.
fn forget(events: &AtomicU32) {
    if events.load(Relaxed) != 0 {
        events.store(0, Relaxed);
    }
}

/// Wakes the checker, and tells others that there is something new.
#[derive(Debug)]
pub(crate) struct Alarm {
    bell: OwnedFd,
    /// How often a roster became another.
    changes: AtomicU64,
}

impl Alarm {
    pub(super) fn new() -> std::io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { bell, changes: AtomicU64::new(0) })
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }

    pub(super) fn ring(&self) {
        // it can only fail when the counter is full, and then the checker is awake
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8][..]);
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.bell
    }
}
