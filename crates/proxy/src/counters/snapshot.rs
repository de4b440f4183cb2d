//! Sums over all workers, at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use l4::Ending;
use l4::config::{Config, Direction, ProxyName, Route};
use l4::counts::{
    BackendSnapshot, CONNECT_TIME_BOUNDS, CounterSnapshot, EndpointSnapshot, HistogramSnapshot,
    ListenerSnapshot, MirrorsSnapshot, ProxySnapshot,
};
use l4::ending::MirrorEnd;

use super::{
    BackendCounters, BackendKey, Count, DURATION_BOUNDS, EndpointCounters, Histogram, ListenerCounters,
    ListenerKey, MirrorCounters, WorkerCounters, policy_name,
};

/// Adds up the counters of all workers.
pub(crate) fn snapshot<'a>(
    generation: u64,
    config: &Config,
    workers: impl Iterator<Item = &'a Arc<WorkerCounters>>,
) -> CounterSnapshot {
    let (mut accept_rests, mut handed_over) = (0, 0);
    let mut sums: BTreeMap<ListenerKey, ListenerSum> = BTreeMap::new();
    for listener in config.listeners() {
        let sum = sums.entry((listener.proxy.clone(), Arc::clone(&listener.name))).or_default();
        sum.address = Some(listener.address);
        if listener.mirror.is_some() {
            sum.mirrors.get_or_insert_default();
        }
        sum.purpose = Some((listener.direction, Arc::clone(&listener.destination)));
        for (_, route) in &listener.routes {
            sum.want(route);
        }
    }
    let mut in_proxies: BTreeMap<ProxyName, ProxySnapshot> = BTreeMap::new();
    let mut gone_sums = Vec::new();
    for worker in workers {
        accept_rests += worker.rests.value();
        handed_over += worker.handed_over.value();
        worker.visit(
            |key, counters| {
                sums.entry(key.clone()).or_default().add(counters);
                add_to_proxy(in_proxies.entry(key.0.clone()).or_default(), counters);
            },
            |proxy, gone| gone_sums.push((proxy.clone(), gone.clone())),
        );
    }
    let listeners = sums.into_iter().map(|(key, sum)| sum.finish(key)).collect();
    for (proxy, gone) in gone_sums {
        join(in_proxies.entry(proxy).or_default(), &gone);
    }
    CounterSnapshot {
        generation,
        accept_rests,
        handed_over,
        listeners,
        proxies: in_proxies,
        clusters: Vec::new(),
    }
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
    mirrors: Option<MirrorsSnapshot>,
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
            mirrors: None,
        }
    }
}

struct BackendSum {
    wanted: Option<f64>,
    chosen: u64,
    opened: u64,
    active: u64,
    outdated: u64,
    cut: u64,
    resets: u64,
    resets_early: u64,
    failed_attempts: u64,
    connect_times: HistogramSnapshot,
    ended: BTreeMap<Ending, u64>,
    durations: HistogramSnapshot,
    bytes: [u64; 2],
    endpoints: BTreeMap<Arc<str>, EndpointSnapshot>,
}

impl Default for BackendSum {
    fn default() -> Self {
        Self {
            wanted: None,
            chosen: 0,
            opened: 0,
            active: 0,
            outdated: 0,
            cut: 0,
            resets: 0,
            resets_early: 0,
            failed_attempts: 0,
            connect_times: HistogramSnapshot::new(&CONNECT_TIME_BOUNDS),
            ended: BTreeMap::new(),
            durations: HistogramSnapshot::new(&DURATION_BOUNDS),
            bytes: [0; 2],
            endpoints: BTreeMap::new(),
        }
    }
}

impl ListenerSum {
    fn want(&mut self, route: &Route) {
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
        add_times(&mut self.connect_times, &counters.connect_times);
        add_mirrors(&mut self.mirrors, &counters.mirrors);
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
            mirrors,
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
            mirrors,
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
        self.resets_early += counters.resets_early.value();
        for (sum, count) in self.bytes.iter_mut().zip(&counters.bytes) {
            *sum += count.value();
        }
        add_endings(&mut self.ended, &counters.ended);
        add_times(&mut self.durations, &counters.durations);
        counters.each_endpoint(|name, counters| {
            self.failed_attempts += counters.failed.value();
            add_times(&mut self.connect_times, &counters.connect_times);
            if let Some(name) = name {
                let endpoint = self.endpoints.entry(Arc::clone(name));
                add_to_endpoint(endpoint.or_insert_with(|| nothing_of(Arc::clone(name))), counters);
            }
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
            resets_early,
            failed_attempts,
            connect_times,
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
            resets_early,
            failed_attempts,
            connect_times,
            ended,
            durations,
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

fn add_mirrors(sums: &mut Option<MirrorsSnapshot>, counted: &MirrorCounters) {
    let MirrorCounters { active, bytes, ended } = counted;
    let ways = MirrorEnd::ALL.iter().zip(ended).map(|(end, count)| (*end, count.value()));
    let ways: Vec<_> = ways.filter(|(_, count)| *count > 0).collect();
    if sums.is_none() && active.value() == 0 && ways.is_empty() {
        return;
    }
    let sums = sums.get_or_insert_default();
    sums.active += active.value();
    sums.bytes += bytes.value();
    for (end, count) in ways {
        *sums.ended.entry(end).or_default() += count;
    }
}

pub(super) fn add_to_proxy(sums: &mut ProxySnapshot, counters: &ListenerCounters) {
    sums.accepted += counters.accepted.value();
    sums.active += counters.active.value();
    add_endings(&mut sums.ended, &counters.ended);
}

fn join(sums: &mut ProxySnapshot, others: &ProxySnapshot) {
    sums.accepted += others.accepted;
    sums.active += others.active;
    for (ending, count) in &others.ended {
        *sums.ended.entry(*ending).or_default() += count;
    }
}

fn add_times<const BUCKETS: usize>(sums: &mut HistogramSnapshot, counted: &Histogram<BUCKETS>) {
    for ((_, sum), count) in sums.buckets.iter_mut().zip(&counted.buckets) {
        *sum += count.value();
    }
    sums.sum += counted.sum.value();
}

fn nothing_of(endpoint: Arc<str>) -> EndpointSnapshot {
    EndpointSnapshot {
        name: endpoint,
        opened: 0,
        active: 0,
        failed: 0,
        resets: 0,
        bytes_from_clients: 0,
        bytes_to_clients: 0,
        connect_times: HistogramSnapshot::new(&CONNECT_TIME_BOUNDS),
    }
}

fn add_to_endpoint(sums: &mut EndpointSnapshot, counters: &EndpointCounters) {
    let EndpointCounters { opened, active, failed, resets, bytes, connect_times } = counters;
    sums.opened += opened.value();
    sums.active += active.value();
    sums.failed += failed.value();
    sums.resets += resets.value();
    sums.bytes_from_clients += bytes[0].value();
    sums.bytes_to_clients += bytes[1].value();
    add_times(&mut sums.connect_times, connect_times);
}
