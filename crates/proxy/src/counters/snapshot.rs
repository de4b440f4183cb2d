//! The sums over all workers, at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{
    BackendCounters, BackendKey, CONNECT_TIME_BOUNDS, ListenerCounters, ListenerKey, WorkerCounters,
    policy_name,
};
use crate::config::{Config, ProxyName};
use crate::ending::Ending;

/// What was counted since the proxy started.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The generation of the configuration.
    pub generation: u64,
    /// Every listener that is configured, or has connections, by proxy and name.
    pub listeners: Vec<ListenerSnapshot>,
}

impl Snapshot {
    /// One listener.
    pub fn listener(&self, proxy: &str, name: &str) -> Option<&ListenerSnapshot> {
        self.listeners.iter().find(|listener| listener.proxy.as_str() == proxy && &*listener.name == name)
    }

    /// How many connections live.
    pub fn active(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.active).sum()
    }

    /// How many connections the proxy itself ended although both ends wanted them.
    pub fn cut(&self) -> u64 {
        self.listeners.iter().flat_map(|listener| &listener.backends).map(|backend| backend.cut).sum()
    }
}

/// What was counted for one listener.
#[derive(Clone, Debug)]
pub struct ListenerSnapshot {
    /// The proxy that it belongs to.
    pub proxy: ProxyName,
    /// Its name.
    pub name: Arc<str>,
    /// The configured address; `None` when it is no longer configured.
    pub address: Option<SocketAddr>,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections accepted that live.
    pub active: u64,
    /// Connections that ended or were refused, by how; ways that did not happen are left out.
    pub ended: BTreeMap<Ending, u64>,
    /// The sum of the durations of ended connections, in milliseconds.
    pub duration_milliseconds: u64,
    /// How many connects took at most so many microseconds (`u64::MAX` for the rest), not cumulative.
    pub connect_times: Vec<(u64, u64)>,
    /// The sum of all connect times, in microseconds.
    pub connect_microseconds: u64,
    /// The backends that are configured, or were, by policy and reference.
    pub backends: Vec<BackendSnapshot>,
}

impl ListenerSnapshot {
    /// Connections that never reached a backend.
    pub fn refused(&self) -> u64 {
        self.ended.iter().filter(|(ending, _)| ending.is_refusal()).map(|(_, count)| count).sum()
    }

    /// Connections established to a backend.
    pub fn opened(&self) -> u64 {
        self.backends.iter().map(|backend| backend.opened).sum()
    }
}

/// What was counted for one backend of a listener.
#[derive(Clone, Debug)]
pub struct BackendSnapshot {
    /// The policy that decides, as `Kind mesh/name`; `default` when none does.
    pub policy: Arc<str>,
    /// The backendRef in words.
    pub reference: Arc<str>,
    /// Its cluster; empty for a share that is refused.
    pub cluster: Arc<str>,
    /// Its configured share, 0 to 1; `None` when it is no longer configured.
    pub wanted: Option<f64>,
    /// How often the split chose it.
    pub chosen: u64,
    /// Connections established to its endpoints.
    pub opened: u64,
    /// Connections that live.
    pub active: u64,
    /// Connections that live and were decided by weights that are no longer in force.
    pub outdated: u64,
    /// Connections that the proxy itself ended although both ends wanted them.
    pub cut: u64,
    /// Connections that the client or the backend reset.
    pub resets: u64,
    /// Bytes that were passed on from clients.
    pub bytes_from_clients: u64,
    /// Bytes that were passed on to clients.
    pub bytes_to_clients: u64,
    /// The endpoints, by address.
    pub endpoints: Vec<EndpointSnapshot>,
}

/// What was counted for one endpoint of a backend.
#[derive(Clone, Debug)]
pub struct EndpointSnapshot {
    /// Its `host:port`; `other` for all beyond the first few dozen.
    pub name: Arc<str>,
    /// Connections established.
    pub opened: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
}

/// Adds up what all workers counted.
pub(crate) fn snapshot(generation: u64, config: &Config, workers: &[Arc<WorkerCounters>]) -> Snapshot {
    let mut sums: BTreeMap<ListenerKey, ListenerSum> = BTreeMap::new();
    for listener in config.listeners() {
        let sum = sums.entry((listener.proxy.clone(), Arc::clone(&listener.name))).or_default();
        sum.address = Some(listener.address);
        for (_, route) in listener.routes() {
            sum.want(route);
        }
    }
    for worker in workers {
        worker.each_listener(|key, counters| sums.entry(key.clone()).or_default().add(counters));
    }
    let listeners = sums.into_iter().map(|(key, sum)| sum.finish(key)).collect();
    Snapshot { generation, listeners }
}

#[derive(Default)]
struct ListenerSum {
    address: Option<SocketAddr>,
    accepted: u64,
    active: u64,
    ended: BTreeMap<Ending, u64>,
    duration_milliseconds: u64,
    connect_times: [u64; CONNECT_TIME_BOUNDS.len() + 1],
    connect_microseconds: u64,
    backends: BTreeMap<BackendKey, BackendSum>,
}

#[derive(Default)]
struct BackendSum {
    wanted: Option<f64>,
    chosen: u64,
    opened: u64,
    active: u64,
    outdated: u64,
    cut: u64,
    resets: u64,
    bytes: [u64; 2],
    endpoints: BTreeMap<Arc<str>, (u64, u64)>,
}

impl ListenerSum {
    fn want(&mut self, route: &crate::config::Route) {
        let policy = policy_name(route);
        for backend in &route.backends {
            let key = BackendKey {
                policy: Arc::clone(&policy),
                reference: Arc::clone(&backend.reference),
                cluster: backend.cluster_name().into(),
            };
            let share = match route.split.total() {
                0 => 0.0,
                total => f64::from(backend.weight) / total as f64,
            };
            *self.backends.entry(key).or_default().wanted.get_or_insert(0.0) += share;
        }
    }

    fn add(&mut self, counters: &ListenerCounters) {
        self.accepted += counters.accepted.value();
        self.active += counters.active.value();
        self.duration_milliseconds += counters.duration_milliseconds.value();
        for (ending, count) in Ending::ALL.iter().zip(&counters.ended) {
            if count.value() > 0 {
                *self.ended.entry(*ending).or_default() += count.value();
            }
        }
        for (sum, count) in self.connect_times.iter_mut().zip(&counters.connect_times.buckets) {
            *sum += count.value();
        }
        self.connect_microseconds += counters.connect_times.microseconds.value();
        counters.each_backend(|key, counters| self.backends.entry(key.clone()).or_default().add(counters));
    }

    fn finish(self, (proxy, name): ListenerKey) -> ListenerSnapshot {
        let Self {
            address,
            accepted,
            active,
            ended,
            duration_milliseconds,
            connect_times,
            connect_microseconds,
            backends,
        } = self;
        let bounds = CONNECT_TIME_BOUNDS.into_iter().chain([u64::MAX]);
        ListenerSnapshot {
            proxy,
            name,
            address,
            accepted,
            active,
            ended,
            duration_milliseconds,
            connect_times: bounds.zip(connect_times).collect(),
            connect_microseconds,
            backends: backends.into_iter().map(|(key, sum)| sum.finish(key)).collect(),
        }
    }
}

impl BackendSum {
    fn add(&mut self, counters: &BackendCounters) {
        self.chosen += counters.chosen.value();
        self.opened += counters.opened.value();
        self.active += counters.active.value();
        self.outdated += counters.outdated.value();
        self.cut += counters.cut.value();
        self.resets += counters.resets.value();
        for (sum, count) in self.bytes.iter_mut().zip(&counters.bytes) {
            *sum += count.value();
        }
        counters.each_endpoint(|name, counters| {
            let (opened, failed) = self.endpoints.entry(Arc::clone(name)).or_default();
            *opened += counters.opened.value();
            *failed += counters.failed.value();
        });
    }

    fn finish(self, key: BackendKey) -> BackendSnapshot {
        let BackendKey { policy, reference, cluster } = key;
        let Self { wanted, chosen, opened, active, outdated, cut, resets, bytes, endpoints } = self;
        let endpoints = endpoints
            .into_iter()
            .map(|(name, (opened, failed))| EndpointSnapshot { name, opened, failed })
            .collect();
        BackendSnapshot {
            policy,
            reference,
            cluster,
            wanted,
            chosen,
            opened,
            active,
            outdated,
            cut,
            resets,
            bytes_from_clients: bytes[0],
            bytes_to_clients: bytes[1],
            endpoints,
        }
    }
}
