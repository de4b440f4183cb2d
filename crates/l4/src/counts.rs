//! Counters of whatever carries connections, at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::{Direction, ProxyName};
use crate::ending::{Ending, MirrorEnd};
use crate::health::ClusterHealth;

/// Counters since the proxy started.
#[derive(Clone, Debug, Default)]
pub struct CounterSnapshot {
    /// Generation of the configuration.
    pub generation: u64,
    /// Number of times a worker paused accepting, because the process or the host was out of descriptors or memory.
    pub accept_rests: u64,
    /// Number of connections that a worker accepted and handed to one with fewer.
    pub handed_over: u64,
    /// Listeners that are configured, or have connections, by proxy and name.
    pub listeners: Vec<ListenerSnapshot>,
    /// Sums of each proxy over its listeners, including removed ones.
    pub proxies: BTreeMap<ProxyName, ProxySnapshot>,
    /// Health of every cluster with checks, slow starts or limits, by proxy and name.
    pub clusters: Vec<ClusterHealth>,
}

/// Counters of one proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySnapshot {
    /// Accepted connections.
    pub accepted: u64,
    /// Live connections, of the accepted ones.
    pub active: u64,
    /// Ended or refused connections, by ending; absent: none.
    pub ended: BTreeMap<Ending, u64>,
}

impl CounterSnapshot {
    /// Counters of one listener; `None`: unknown listener.
    pub fn listener(&self, proxy: &str, name: &str) -> Option<&ListenerSnapshot> {
        self.listeners.iter().find(|listener| listener.proxy.as_str() == proxy && &*listener.name == name)
    }

    /// Number of live connections.
    pub fn active(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.active).sum()
    }

    /// Number of connections that the proxy itself ended although both ends wanted them.
    pub fn cut(&self) -> u64 {
        self.listeners.iter().flat_map(|listener| &listener.backends).map(|backend| backend.cut).sum()
    }
}

/// Counters of one listener.
#[derive(Clone, Debug)]
pub struct ListenerSnapshot {
    /// Proxy that it belongs to.
    pub proxy: ProxyName,
    /// Name of the listener.
    pub name: Arc<str>,
    /// Configured address; `None`: no longer configured.
    pub address: Option<SocketAddr>,
    /// Direction of its connections, and the destination that clients dial; `None`: no longer configured.
    pub purpose: Option<(Direction, Arc<str>)>,
    /// Accepted connections.
    pub accepted: u64,
    /// Live connections, of the accepted ones.
    pub active: u64,
    /// Ended or refused connections, by ending; absent: none.
    pub ended: BTreeMap<Ending, u64>,
    /// Sum of the durations of ended connections, in milliseconds.
    pub duration_milliseconds: u64,
    /// Connect times, in microseconds.
    pub connect_times: HistogramSnapshot,
    /// Backends that are or were configured, by policy and reference.
    pub backends: Vec<BackendSnapshot>,
    /// Counters of its mirrors; `None`: it never had any.
    pub mirrors: Option<MirrorsSnapshot>,
}

/// Counters of the mirrors of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorsSnapshot {
    /// Live mirrors.
    pub active: u64,
    /// Bytes that were copied to them.
    pub bytes: u64,
    /// Ended mirrors, by ending; absent: none.
    pub ended: BTreeMap<MirrorEnd, u64>,
}

impl ListenerSnapshot {
    /// Number of connections that never reached a backend.
    pub fn refused(&self) -> u64 {
        self.ended.iter().filter(|(ending, _)| ending.is_refusal()).map(|(_, count)| count).sum()
    }

    /// Number of connections established to a backend.
    pub fn opened(&self) -> u64 {
        self.backends.iter().map(|backend| backend.opened).sum()
    }
}

/// Upper bounds of connect times, in microseconds; one more bucket takes the rest.
pub const CONNECT_TIME_BOUNDS: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 1_000_000, 5_000_000];

/// Histogram of times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Number of times per bucket, by upper bound (`u64::MAX` for the rest); not cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// Sum of all times, in the unit of the bounds.
    pub sum: u64,
}

impl HistogramSnapshot {
    /// Creates an empty histogram with these bounds and one more for the rest.
    pub fn new(bounds: &[u64]) -> Self {
        let bounds = bounds.iter().copied().chain([u64::MAX]);
        Self { buckets: bounds.map(|bound| (bound, 0)).collect(), sum: 0 }
    }
}

/// Counters of one backend of a listener.
#[derive(Clone, Debug)]
pub struct BackendSnapshot {
    /// Policy behind the route, as `Kind mesh/name`; `default`: none.
    pub policy: Arc<str>,
    /// Description of the backendRef, for humans.
    pub reference: Arc<str>,
    /// Name of its cluster; empty for a share that is refused.
    pub cluster: Arc<str>,
    /// Configured share, 0 to 1; `None`: no longer configured.
    pub wanted: Option<f64>,
    /// Number of times the split chose it.
    pub chosen: u64,
    /// Connections established to its endpoints.
    pub opened: u64,
    /// Live connections.
    pub active: u64,
    /// Live connections that were decided by weights no longer in force.
    pub outdated: u64,
    /// Connections that the proxy itself ended although both ends wanted them.
    pub cut: u64,
    /// Connections that the client or the backend reset.
    pub resets: u64,
    /// Resets that were [early](Ending::is_early_reset).
    pub resets_early: u64,
    /// Failed attempts to connect to its endpoints.
    pub failed_attempts: u64,
    /// Connect times, in microseconds.
    pub connect_times: HistogramSnapshot,
    /// Connections that it was chosen for and that ended or were refused, by ending.
    pub ended: BTreeMap<Ending, u64>,
    /// Durations of connections to its endpoints, in milliseconds.
    pub durations: HistogramSnapshot,
    /// Bytes from clients.
    pub bytes_from_clients: u64,
    /// Bytes to clients.
    pub bytes_to_clients: u64,
    /// Endpoints, by address.
    pub endpoints: Vec<EndpointSnapshot>,
}

/// Counters of one endpoint of a backend.
#[derive(Clone, Debug)]
pub struct EndpointSnapshot {
    /// `host:port` of the endpoint; `other` for all beyond the first few dozen.
    pub name: Arc<str>,
    /// Connections established.
    pub opened: u64,
    /// Live connections.
    pub active: u64,
    /// Failed attempts to connect.
    pub failed: u64,
    /// Connections that the client or the endpoint reset.
    pub resets: u64,
    /// Bytes from clients.
    pub bytes_from_clients: u64,
    /// Bytes to clients.
    pub bytes_to_clients: u64,
    /// Connect times, in microseconds.
    pub connect_times: HistogramSnapshot,
}
