//! Counters: each worker counts for itself, a reader adds up.

mod handshakes;
mod queries;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use handshakes::Handshakes;
use l4::Ending;
use l4::config::{Listener, ProxyName, Route};
use l4::counts::{CONNECT_TIME_BOUNDS, ProxySnapshot};
use l4::ending::MirrorEnd;
pub(crate) use queries::{Outcome, QueryCounts};
pub(crate) use snapshot::snapshot;

/// Counter with one writer and many readers: workers never share a cache line.
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

/// Upper bounds of the duration histogram, in milliseconds; one more bucket is for the rest.
pub(crate) const DURATION_BOUNDS: [u64; 9] =
    [10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000, 86_400_000];

/// Histogram of times: the number of those up to each bound.
#[derive(Debug)]
pub(crate) struct Histogram<const BUCKETS: usize> {
    pub(crate) buckets: [Count; BUCKETS],
    /// Sum of all times, in the unit of the bounds.
    pub(crate) sum: Count,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Count::default()), sum: Count::default() }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    fn observe(&self, bounds: &[u64], time: u128) {
        let time = u64::try_from(time).unwrap_or(u64::MAX);
        let bucket = bounds.partition_point(|bound| *bound < time);
        if let Some(count) = self.buckets.get(bucket) {
            count.add(1);
        }
        self.sum.add(time);
    }

    fn join(&self, other: &Self) {
        for (count, more) in self.buckets.iter().zip(&other.buckets) {
            count.add(more.value());
        }
        self.sum.add(other.sum.value());
    }
}

/// Connect times, in microseconds.
pub(crate) type ConnectTimes = Histogram<{ CONNECT_TIME_BOUNDS.len() + 1 }>;

impl ConnectTimes {
    pub(crate) fn observe_connect(&self, time: Duration) {
        self.observe(&CONNECT_TIME_BOUNDS, time.as_micros());
    }
}

/// Lifetimes of connections, in milliseconds.
pub(crate) type Durations = Histogram<{ DURATION_BOUNDS.len() + 1 }>;

impl Durations {
    pub(crate) fn observe_life(&self, time: Duration) {
        self.observe(&DURATION_BOUNDS, time.as_millis());
    }
}

/// Key of a listener over all changes of configuration.
pub(crate) type ListenerKey = (ProxyName, Arc<str>);

/// Counters of one worker for one listener.
#[derive(Debug, Default)]
pub(crate) struct ListenerCounters {
    pub(crate) accepted: Count,
    pub(crate) active: Count,
    pub(crate) ended: [Count; Ending::ALL.len()],
    pub(crate) duration_milliseconds: Count,
    pub(crate) connect_times: ConnectTimes,
    pub(crate) mirrors: MirrorCounters,
    backends: Mutex<BTreeMap<BackendKey, Arc<BackendCounters>>>,
}

/// Counters of one worker for the mirrors of one listener.
#[derive(Debug, Default)]
pub(crate) struct MirrorCounters {
    pub(crate) active: Count,
    pub(crate) bytes: Count,
    pub(crate) ended: [Count; MirrorEnd::ALL.len()],
}

impl ListenerCounters {
    /// Returns the counters of each backend of a route.
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

/// Limit on the backends of one listener that are remembered before removed ones are forgotten.
const RETIRED_BACKENDS: usize = 256;

/// Key of a backend over all changes of weights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackendKey {
    pub(crate) policy: Arc<str>,
    pub(crate) reference: Arc<str>,
    pub(crate) cluster: Arc<str>,
}

/// Policy that decided, as `Kind mesh/name`; `default`: none did.
pub(crate) fn policy_name(route: &Route) -> Arc<str> {
    match &route.origin {
        Some(origin) => format!("{} {}/{}", origin.kind, origin.mesh, origin.name).into(),
        None => "default".into(),
    }
}

/// Counters of one worker for one backend of a listener.
#[derive(Debug, Default)]
pub(crate) struct BackendCounters {
    /// Number of times that the split chose it.
    pub(crate) chosen: Count,
    /// Number of connections that were established to its endpoints.
    pub(crate) opened: Count,
    pub(crate) active: Count,
    /// Number of those that were decided by weights which are no longer in force.
    pub(crate) outdated: Count,
    /// Number of connections that the proxy itself ended.
    pub(crate) cut: Count,
    pub(crate) resets: Count,
    pub(crate) resets_early: Count,
    /// Number of connections by their ending or refusal, of those that it was chosen for.
    pub(crate) ended: [Count; Ending::ALL.len()],
    pub(crate) durations: Durations,
    /// Bytes from the client, bytes from the backend.
    pub(crate) bytes: [Count; 2],
    endpoints: Mutex<Endpoints>,
}

#[derive(Debug, Default)]
struct Endpoints {
    counted: BTreeMap<Arc<str>, Arc<EndpointCounters>>,
    /// Connect results of forgotten endpoints: the backend's totals keep them.
    gone: EndpointCounters,
}

/// Limit on the endpoints of a backend with counters of their own; the rest are counted together as `other`.
pub(crate) const COUNTED_ENDPOINTS: usize = 64;

impl BackendCounters {
    /// Returns the counters of an endpoint, by its `host:port`.
    pub(crate) fn endpoint(&self, name: &str) -> Arc<EndpointCounters> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let Endpoints { counted, gone } = &mut *endpoints;
        if let Some(counters) = counted.get(name) {
            return Arc::clone(counters);
        }
        if counted.len() >= COUNTED_ENDPOINTS {
            counted.retain(|_, counters| {
                let used = Arc::strong_count(counters) > 1;
                if !used {
                    gone.failed.add(counters.failed.value());
                    gone.connect_times.join(&counters.connect_times);
                }
                used
            });
        }
        let name = if counted.len() < COUNTED_ENDPOINTS { name } else { "other" };
        Arc::clone(counted.entry(name.into()).or_default())
    }

    /// Visits every endpoint with counters of its own, and without a name the connect results of the forgotten
    /// ones.
    pub(crate) fn each_endpoint(&self, mut visit: impl FnMut(Option<&Arc<str>>, &EndpointCounters)) {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.counted.iter().for_each(|(name, counters)| visit(Some(name), counters));
        visit(None, &endpoints.gone);
    }
}

/// Counters of one worker for one endpoint of a backend.
#[derive(Debug, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) opened: Count,
    pub(crate) active: Count,
    pub(crate) failed: Count,
    pub(crate) resets: Count,
    /// Bytes from the client, bytes from the endpoint.
    pub(crate) bytes: [Count; 2],
    pub(crate) connect_times: ConnectTimes,
}

/// All counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounters {
    /// Number of pauses in accepting because the process or the host ran out of a resource.
    pub(crate) rests: Count,
    /// Number of accepted connections that were handed to another worker.
    pub(crate) handed_over: Count,
    pub(crate) handshakes: Handshakes,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    listeners: BTreeMap<ListenerKey, Arc<ListenerCounters>>,
    /// Sums of removed listeners: the proxy's totals keep them.
    gone: BTreeMap<ProxyName, ProxySnapshot>,
}

impl WorkerCounters {
    /// Returns the counters of a listener: the same ones as long as it exists.
    pub(crate) fn listener(&self, listener: &Listener) -> Arc<ListenerCounters> {
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        Arc::clone(self.lock().listeners.entry(key).or_default())
    }

    /// Forgets listeners that are not used any more, except for their part of the sums of their proxy.
    pub(crate) fn forget_unused(&self) {
        let mut counted = self.lock();
        let Counted { listeners, gone } = &mut *counted;
        listeners.retain(|(proxy, _), counters| {
            let used = Arc::strong_count(counters) > 1;
            if !used {
                snapshot::add_to_proxy(gone.entry(proxy.clone()).or_default(), counters);
            }
            used
        });
    }

    /// Visits every listener, then the sums of the removed ones.
    pub(crate) fn visit(
        &self,
        mut listener: impl FnMut(&ListenerKey, &ListenerCounters),
        mut gone: impl FnMut(&ProxyName, &ProxySnapshot),
    ) {
        let counted = self.lock();
        counted.listeners.iter().for_each(|(key, counters)| listener(key, counters));
        counted.gone.iter().for_each(|(proxy, sums)| gone(proxy, sums));
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_forgotten_stays_in_the_sums_of_its_backend() {
        let backend = BackendCounters::default();
        backend.endpoint("10.0.0.1:80").failed.add(2);
        backend.endpoint("10.0.0.1:80").connect_times.observe_connect(Duration::from_micros(70));
        for port in 1..=COUNTED_ENDPOINTS {
            backend.endpoint(&format!("10.0.0.2:{port}"));
        }
        let (mut names, mut failed, mut connects) = (0, 0, 0);
        backend.each_endpoint(|name, counters| {
            names += usize::from(name.is_some());
            failed += counters.failed.value();
            connects += counters.connect_times.buckets[0].value();
        });
        // of the unused ones only the last still has counters of its own
        assert_eq!((names, failed, connects), (1, 2, 1));
    }

    #[test]
    fn a_listener_that_is_gone_stays_in_the_sums_of_its_proxy() {
        let counters = WorkerCounters::default();
        let key: ListenerKey = (ProxyName::from("web"), "outbound".into());
        let used = Arc::new(ListenerCounters::default());
        used.accepted.add(3);
        used.ended[Ending::ClientClosed as usize].add(3);
        counters.lock().listeners.insert(key, Arc::clone(&used));
        let seen = || {
            let (mut listeners, mut sums) = (0, Vec::new());
            counters.visit(|_, _| listeners += 1, |_, gone| sums.push(gone.clone()));
            (listeners, sums)
        };
        counters.forget_unused();
        assert_eq!(seen(), (1, Vec::new()));
        drop(used);
        counters.forget_unused();
        let ended = BTreeMap::from([(Ending::ClientClosed, 3)]);
        assert_eq!(seen(), (0, vec![ProxySnapshot { accepted: 3, active: 0, ended }]));
    }
}
