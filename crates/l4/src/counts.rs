//! What was counted, at one moment, by whatever carries connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{Direction, ProxyName};
use crate::ending::{Ending, MirrorEnd};
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
    /// Its mirrors; `None`: it has none, and had none.
    pub mirrors: Option<MirrorsSnapshot>,
}

/// What was counted for the mirrors of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorsSnapshot {
    /// Mirrors that live.
    pub active: u64,
    /// Bytes that they were given.
    pub bytes: u64,
    /// Mirrors that ended, by how; ways that did not happen are left out.
    pub ended: BTreeMap<MirrorEnd, u64>,
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

/// The upper bounds of connect times, in microseconds; one more bucket is for the rest.
pub const CONNECT_TIME_BOUNDS: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000, 5_000_000];

/// How many times were how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// How many were at most so long (`u64::MAX` for the rest), not cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// The sum of all, in the unit of the bounds.
    pub sum: u64,
}

impl HistogramSnapshot {
    /// Nothing counted so far, with these bounds and one more for the rest.
    pub fn new(bounds: &[u64]) -> Self {
        let bounds = bounds.iter().copied().chain([u64::MAX]);
        Self { buckets: bounds.map(|bound| (bound, 0)).collect(), sum: 0 }
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
    /// Those of them that were [reset early](Ending::is_early_reset).
    pub resets_early: u64,
    /// Attempts to connect to its endpoints that failed.
    pub failed_attempts: u64,
    /// How long connects took, in microseconds.
    pub connect_times: HistogramSnapshot,
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
