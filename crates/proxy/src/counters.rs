//! What is counted, and by whom: each worker counts for itself, a reader adds up.

mod snapshot;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use snapshot::snapshot;
pub use snapshot::{BackendSnapshot, EndpointSnapshot, ListenerSnapshot, Snapshot};

use crate::config::{Listener, ProxyName, Route};
use crate::ending::Ending;

/// A number with one writer and many readers: no worker ever waits for another's cache line.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn subtract(&self, less: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(less), Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The upper bounds of the connect time histogram, in microseconds; one more bucket is for the rest.
pub(crate) const CONNECT_TIME_BOUNDS: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000, 5_000_000];

/// How long connecting took.
#[derive(Debug, Default)]
pub(crate) struct ConnectTimes {
    pub(crate) buckets: [Count; CONNECT_TIME_BOUNDS.len() + 1],
    pub(crate) microseconds: Count,
}

impl ConnectTimes {
    pub(crate) fn observe(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = CONNECT_TIME_BOUNDS.partition_point(|bound| *bound < microseconds);
        if let Some(count) = self.buckets.get(bucket) {
            count.add(1);
        }
        self.microseconds.add(microseconds);
    }
}

/// Names a listener over all changes of configuration.
pub(crate) type ListenerKey = (ProxyName, Arc<str>);

/// What one worker counted for one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerCounters {
    pub(crate) accepted: Count,
    pub(crate) active: Count,
    pub(crate) ended: [Count; Ending::ALL.len()],
    pub(crate) duration_milliseconds: Count,
    pub(crate) connect_times: ConnectTimes,
    backends: Mutex<BTreeMap<BackendKey, Arc<BackendCounters>>>,
}

impl ListenerCounters {
    /// The counters of each backend of a route.
    pub(crate) fn backends_of(&self, route: &Route) -> Vec<Arc<BackendCounters>> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        if backends.len() > RETIRED_BACKENDS {
            backends.retain(|_, counters| Arc::strong_count(counters) > 1);
        }
        let policy = policy_name(route);
        let counters = route.backends.iter().map(|backend| {
            let key = BackendKey {
                policy: Arc::clone(&policy),
                reference: Arc::clone(&backend.reference),
                cluster: backend.cluster_name().into(),
            };
            Arc::clone(backends.entry(key).or_default())
        });
        counters.collect()
    }

    pub(crate) fn each_backend(&self, mut visit: impl FnMut(&BackendKey, &BackendCounters)) {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, counters) in &*backends {
            visit(key, counters);
        }
    }
}

/// How many backends of one listener are remembered before those that went are forgotten.
const RETIRED_BACKENDS: usize = 256;

/// Names a backend over all changes of weights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackendKey {
    pub(crate) policy: Arc<str>,
    pub(crate) reference: Arc<str>,
    pub(crate) cluster: Arc<str>,
}

/// The policy that decided, as `Kind mesh/name`; `default` when none did.
pub(crate) fn policy_name(route: &Route) -> Arc<str> {
    match &route.origin {
        Some(origin) => format!("{} {}/{}", origin.kind, origin.mesh, origin.name).into(),
        None => "default".into(),
    }
}

/// What one worker counted for one backend of a listener.
#[derive(Debug, Default)]
pub(crate) struct BackendCounters {
    /// How often the split chose it.
    pub(crate) chosen: Count,
    /// How many connections to its endpoints were established.
    pub(crate) opened: Count,
    pub(crate) active: Count,
    /// How many of those were decided by weights that are no longer in force.
    pub(crate) outdated: Count,
    /// How many connections the proxy itself ended.
    pub(crate) cut: Count,
    pub(crate) resets: Count,
    /// Bytes from the client, bytes from the backend.
    pub(crate) bytes: [Count; 2],
    endpoints: Mutex<BTreeMap<Arc<str>, Arc<EndpointCounters>>>,
}

/// How many endpoints of a backend are counted one by one; the rest are counted together as `other`.
const COUNTED_ENDPOINTS: usize = 64;

impl BackendCounters {
    /// The counters of an endpoint, by its `host:port`.
    pub(crate) fn endpoint(&self, name: &str) -> Arc<EndpointCounters> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = endpoints.get(name) {
            return Arc::clone(counters);
        }
        if endpoints.len() >= COUNTED_ENDPOINTS {
            endpoints.retain(|_, counters| Arc::strong_count(counters) > 1);
        }
        let name = if endpoints.len() < COUNTED_ENDPOINTS { name } else { "other" };
        Arc::clone(endpoints.entry(name.into()).or_default())
    }

    pub(crate) fn each_endpoint(&self, mut visit: impl FnMut(&Arc<str>, &EndpointCounters)) {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, counters) in &*endpoints {
            visit(name, counters);
        }
    }
}

/// What one worker counted for one endpoint of a backend.
#[derive(Debug, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) opened: Count,
    pub(crate) failed: Count,
}

/// Everything that one worker counted.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    listeners: Mutex<BTreeMap<ListenerKey, Arc<ListenerCounters>>>,
}

impl WorkerCounters {
    /// The counters of a listener: the same ones as long as it is there.
    pub(crate) fn listener(&self, listener: &Listener) -> Arc<ListenerCounters> {
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(listeners.entry(key).or_default())
    }

    /// Forgets listeners that nobody uses any more.
    pub(crate) fn forget_unused(&self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|_, counters| Arc::strong_count(counters) > 1);
    }

    pub(crate) fn each_listener(&self, mut visit: impl FnMut(&ListenerKey, &ListenerCounters)) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, counters) in &*listeners {
            visit(key, counters);
        }
    }
}
