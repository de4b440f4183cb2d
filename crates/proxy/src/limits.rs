//! Limits on the connections of the process.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files as far as possible without a privilege, and returns it.
pub(crate) fn raise_open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}

/// Returns the default limit on connections: half of the open files, less a fortieth for listeners, pipes, logs and
/// the rest of the process.
pub(crate) fn default_connections(open_files: u64) -> usize {
    usize::try_from((open_files - open_files / 40) / 2).unwrap_or(usize::MAX)
}

/// Ports that the kernel dials from.
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = text.split_whitespace().filter_map(|port| port.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(first), Some(last)) => first..=last,
        // unknown: it may be any
        _ => 1..=u16::MAX,
    }
}

/// Limited number of places, shared by all workers.
#[derive(Debug)]
pub(crate) struct Places {
    taken: AtomicUsize,
    limit: AtomicUsize,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Self {
        Self { taken: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }
    }

    /// Changes the limit; places that are taken stay taken.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }

    /// Number of places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Counts `now` places as taken by another holder who had `before`, and returns how many are taken.
    pub(crate) fn exchange(&self, before: usize, now: usize) -> usize {
        if now >= before {
            self.taken.fetch_add(now - before, Relaxed) + (now - before)
        } else {
            self.taken.fetch_sub(before - now, Relaxed) - (before - now)
        }
    }

    /// Limit on the places.
    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Takes a place, until it is dropped; `None`: all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        if self.taken.fetch_add(1, Relaxed) >= self.limit.load(Relaxed) {
            self.taken.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }
}

/// Place that is taken.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_place_can_be_taken_again() {
        let places = Arc::new(Places::new(1));
        let first = places.take();
        assert!(first.is_some() && places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
    }

    #[test]
    fn places_that_others_take_are_taken() {
        let places = Arc::new(Places::new(3));
        let own = places.take();
        assert_eq!(places.exchange(0, 2), 3);
        assert!(own.is_some() && places.take().is_none());
        assert_eq!(places.exchange(2, 1), 2);
        assert!(places.take().is_some());
    }

    #[test]
    fn nine_thousand_idle_connections_fit_twenty_thousand_files() {
        assert!((9_000..10_000).contains(&default_connections(20_000)));
    }
}
