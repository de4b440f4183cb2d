//! State of one cluster that workers and the checker share.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use arc_swap::{ArcSwap, Guard};
use l4::balance::Roster;
use l4::config::Cluster;
use l4::health::{ReachedLimit, Usage};
use rustix::event::{EventfdFlags, eventfd};

use crate::limits::{Place, Places};

/// Cell of one cluster, for one version of the configuration. It is lock-free.
#[derive(Debug)]
pub(crate) struct Cell {
    cluster: Arc<Cluster>,
    roster: ArcSwap<Roster>,
    tallies: Box<[Tally]>,
    bounds: Arc<Bounds>,
    alarm: Arc<Alarm>,
}

/// Recent results of clients' connections to an endpoint.
#[derive(Debug, Default)]
struct Tally {
    /// Failed connects since the last successful one.
    failures: AtomicU32,
    /// Connections that the endpoint reset before it sent a byte, since the last one that went well.
    resets: AtomicU32,
}

/// Reason why an endpoint failed too often in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// Number of failed connects.
    Connects(u32),
    /// Number of connections that it reset before it had sent a byte.
    Resets(u32),
}

impl Failing {
    /// Returns the reason in words.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Connects(times) => format!("{times} connects in a row failed"),
            Self::Resets(times) => format!("it reset {times} connections in a row before its first byte"),
        }
    }
}

/// Limits on connections, over all versions of a cluster.
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

    /// Takes over the limits of a changed cluster; places that are taken stay taken.
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

    /// Returns the roster: the endpoints that accept connections now.
    pub(crate) fn roster(&self) -> Guard<Arc<Roster>> {
        self.roster.load()
    }

    /// As `roster`, for callers that keep it for longer.
    pub(crate) fn whole_roster(&self) -> Arc<Roster> {
        self.roster.load_full()
    }

    /// Returns the state that stays when the cluster changes.
    pub(super) fn shared(&self) -> (Arc<Bounds>, Arc<Alarm>) {
        (Arc::clone(&self.bounds), Arc::clone(&self.alarm))
    }

    pub(super) fn set_roster(&self, roster: Roster) {
        self.roster.store(Arc::new(roster));
        self.alarm.changes.fetch_add(1, Release);
    }

    /// Takes the places of a connection that is about to be established, if the cluster has limits.
    pub(crate) fn take_places(&self) -> Result<[Option<Place>; 2], ReachedLimit> {
        let take = |limited: bool, places: &Arc<Places>, full| {
            if limited { places.take().map(Some).ok_or(full) } else { Ok(None) }
        };
        let connection = take(
            self.cluster.max_connections.is_some(),
            &self.bounds.connections,
            ReachedLimit::Connections,
        )?;
        let pending = take(self.cluster.max_pending.is_some(), &self.bounds.pending, ReachedLimit::Pending)?;
        Ok([connection, pending])
    }

    /// Returns the places of its connections, and of those that are being established, if they are limited.
    pub(crate) fn bounded(&self) -> [Option<Arc<Places>>; 2] {
        let Cluster { max_connections, max_pending, .. } = &*self.cluster;
        let Bounds { connections, pending } = &*self.bounds;
        [(max_connections, connections), (max_pending, pending)]
            .map(|(limit, places)| limit.map(|_| Arc::clone(places)))
    }

    /// Records that a connection to an endpoint was established.
    pub(crate) fn connected(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            forget(&tally.failures);
        }
    }

    /// Records that a connection to an endpoint could not be established.
    pub(crate) fn failed(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            self.count(&tally.failures);
        }
    }

    /// Records that a connection to an endpoint ended after it had sent something, or in order.
    pub(crate) fn went_well(&self, endpoint: usize) {
        if let Some(tally) = self.watched(endpoint) {
            forget(&tally.resets);
        }
    }

    /// Records that an endpoint reset a connection before it had sent a byte.
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

    /// Takes the endpoints that failed too often in a row; their counts are reset.
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

    /// Returns the numbers of its live connections, and of those that are being established, if they are limited.
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

/// Resets a counter. Mostly it is zero already, and only reading it keeps the cache line shared.
fn forget(events: &AtomicU32) {
    if events.load(Relaxed) != 0 {
        events.store(0, Relaxed);
    }
}

/// Wakes the checker, and counts changes for others.
#[derive(Debug)]
pub(crate) struct Alarm {
    bell: OwnedFd,
    /// Number of changes of rosters.
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
        // it can only fail if the counter is full, and then the checker is awake
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8][..]);
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.bell
    }
}
