//! The sums over all workers, at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{
    BackendCounters, BackendKey, CONNECT_TIME_BOUNDS, Count, DURATION_BOUNDS, EndpointCounters, Histogram,
    ListenerCounters, ListenerKey, WorkerCounters, policy_name,
};
use crate::config::{Config, Direction, ProxyName};
use crate::ending::Ending;
use crate::health::ClusterHealth;

/// What was counted since the proxy started.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The generation of the configuration.
    pub generation: u64,
    /// How often a worker rested from accepting, because the process or the host was out of descriptors or memory.
    pub accept_rests: u64,
    /// Every listener that is configured, or has connections, by proxy and name.
    pub listeners: Vec<ListenerSnapshot>,
    /// The sums of each proxy over its listeners, also those that are gone.
    pub proxies: BTreeMap<ProxyName, ProxySnapshot>,
    /// The health of every cluster whose endpoints are checked, that has slow starts or limits, by proxy and name.
    pub clusters: Vec<ClusterHealth>,
}

/// What was counted for one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySnapshot {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections accepted that live.
    pub active: u64,
    /// Connections that ended or were refused, by how; ways that did not happen are left out.
    pub ended: BTreeMap<Ending, u64>,
}

impl ProxySnapshot {
    pub(super) fn add(&mut self, counters: &ListenerCounters) {
        self.accepted += counters.accepted.value();
        self.active += counters.active.value();
        add_endings(&mut self.ended, &counters.ended);
    }

    fn join(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.active += other.active;
        for (ending, count) in &other.ended {
            *self.ended.entry(*ending).or_default() += count;
        }
    }
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
    /// Which way connections flow, and what clients dial; `None` when it is no longer configured.
    pub purpose: Option<(Direction, Arc<str>)>,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections accepted that live.
    pub active: u64,
    /// Connections that ended or were refused, by how; ways that did not happen are left out.
    pub ended: BTreeMap<Ending, u64>,
    /// The sum of the durations of ended connections, in milliseconds.
    pub duration_milliseconds: u64,
    /// How long connects took, in microseconds.
    pub connect_times: HistogramSnapshot,
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

/// How many times were how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// How many were at most so long (`u64::MAX` for the rest), not cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// The sum of all, in the unit of the bounds.
    pub sum: u64,
}

impl HistogramSnapshot {
    fn new(bounds: &[u64]) -> Self {
        let bounds = bounds.iter().copied().chain([u64::MAX]);
        Self { buckets: bounds.map(|bound| (bound, 0)).collect(), sum: 0 }
    }

    fn add<const BUCKETS: usize>(&mut self, counted: &Histogram<BUCKETS>) {
        for ((_, sum), count) in self.buckets.iter_mut().zip(&counted.buckets) {
            *sum += count.value();
        }
        self.sum += counted.sum.value();
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
    /// Connections that it was chosen for and that ended or were refused, by how.
    pub ended: BTreeMap<Ending, u64>,
    /// How long connections to its endpoints lived, in milliseconds.
    pub durations: HistogramSnapshot,
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
    /// Connections that live.
    pub active: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
    /// Connections that the client or the endpoint reset.
    pub resets: u64,
    /// Bytes that were passed on from clients.
    pub bytes_from_clients: u64,
    /// Bytes that were passed on to clients.
    pub bytes_to_clients: u64,
    /// How long connects took, in microseconds.
    pub connect_times: HistogramSnapshot,
}

impl EndpointSnapshot {
    fn named(name: Arc<str>) -> Self {
        Self {
            name,
            opened: 0,
            active: 0,
            failed: 0,
            resets: 0,
            bytes_from_clients: 0,
            bytes_to_clients: 0,
            connect_times: HistogramSnapshot::new(&CONNECT_TIME_BOUNDS),
        }
    }

    fn add(&mut self, counters: &EndpointCounters) {
        let EndpointCounters { opened, active, failed, resets, bytes, connect_times } = counters;
        self.opened += opened.value();
        self.active += active.value();
        self.failed += failed.value();
        self.resets += resets.value();
        self.bytes_from_clients += bytes[0].value();
        self.bytes_to_clients += bytes[1].value();
        self.connect_times.add(connect_times);
    }
}

/// Adds up what all workers counted.
pub(crate) fn snapshot(generation: u64, config: &Config, workers: &[Arc<WorkerCounters>]) -> Snapshot {
    let mut sums: BTreeMap<ListenerKey, ListenerSum> = BTreeMap::new();
    for listener in config.listeners() {
        let sum = sums.entry((listener.proxy.clone(), Arc::clone(&listener.name))).or_default();
        sum.address = Some(listener.address);
        sum.purpose = Some((listener.direction, Arc::clone(&listener.destination)));
        for (_, route) in listener.routes() {
            sum.want(route);
        }
    }
    let mut in_proxies: BTreeMap<ProxyName, ProxySnapshot> = BTreeMap::new();
    let mut gone_sums = Vec::new();
    for worker in workers {
        worker.visit(
            |key, counters| {
                sums.entry(key.clone()).or_default().add(counters);
                in_proxies.entry(key.0.clone()).or_default().add(counters);
            },
            |proxy, gone| gone_sums.push((proxy.clone(), gone.clone())),
        );
    }
    let listeners = sums.into_iter().map(|(key, sum)| sum.finish(key)).collect();
    for (proxy, gone) in gone_sums {
        in_proxies.entry(proxy).or_default().join(&gone);
    }
    let accept_rests = workers.iter().map(|worker| worker.rests.value()).sum();
    Snapshot { generation, accept_rests, listeners, proxies: in_proxies, clusters: Vec::new() }
}

struct ListenerSum {
    address: Option<SocketAddr>,
    purpose: Option<(Direction, Arc<str>)>,
    accepted: u64,
    active: u64,
    ended: BTreeMap<Ending, u64>,
    duration_milliseconds: u64,
    connect_times: HistogramSnapshot,
    backends: BTreeMap<BackendKey, BackendSum>,
}

impl Default for ListenerSum {
    fn default() -> Self {
        Self {
            address: None,
            purpose: None,
            accepted: 0,
            active: 0,
            ended: BTreeMap::new(),
            duration_milliseconds: 0,
            connect_times: HistogramSnapshot::new(&CONNECT_TIME_BOUNDS),
            backends: BTreeMap::new(),
        }
    }
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
    ended: BTreeMap<Ending, u64>,
    durations: Option<HistogramSnapshot>,
    bytes: [u64; 2],
    endpoints: BTreeMap<Arc<str>, EndpointSnapshot>,
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
        add_endings(&mut self.ended, &counters.ended);
        self.connect_times.add(&counters.connect_times);
        counters.each_backend(|key, counters| self.backends.entry(key.clone()).or_default().add(counters));
    }

    fn finish(self, (proxy, name): ListenerKey) -> ListenerSnapshot {
        let Self {
            address,
            purpose,
            accepted,
            active,
            ended,
            duration_milliseconds,
            connect_times,
            backends,
        } = self;
        ListenerSnapshot {
            proxy,
            name,
            address,
            purpose,
            accepted,
            active,
            ended,
            duration_milliseconds,
            connect_times,
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
        add_endings(&mut self.ended, &counters.ended);
        self.durations
            .get_or_insert_with(|| HistogramSnapshot::new(&DURATION_BOUNDS))
            .add(&counters.durations);
        counters.each_endpoint(|name, counters| {
            let endpoint = self.endpoints.entry(Arc::clone(name));
            endpoint.or_insert_with(|| EndpointSnapshot::named(Arc::clone(name))).add(counters);
        });
    }

    fn finish(self, key: BackendKey) -> BackendSnapshot {
        let BackendKey { policy, reference, cluster } = key;
        let Self {
            wanted,
            chosen,
            opened,
            active,
            outdated,
            cut,
            resets,
            ended,
            durations,
            bytes,
            endpoints,
        } = self;
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
            ended,
            durations: durations.unwrap_or_else(|| HistogramSnapshot::new(&DURATION_BOUNDS)),
            bytes_from_clients: bytes[0],
            bytes_to_clients: bytes[1],
            endpoints: endpoints.into_values().collect(),
        }
    }
}

fn add_endings(sums: &mut BTreeMap<Ending, u64>, counted: &[Count]) {
    for (ending, count) in Ending::ALL.iter().zip(counted) {
        if count.value() > 0 {
            *sums.entry(*ending).or_default() += count.value();
        }
    }
}
