//! Health of clusters, as shown to observers.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::balance::Condition;
use crate::config::ProxyName;
use crate::words::words;

/// Health of a cluster with active checks, outlier detection, slow starts or limits.
#[derive(Clone, Debug)]
pub struct ClusterHealth {
    /// Proxy that it belongs to.
    pub proxy: ProxyName,
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// Condition.
    pub condition: Condition,
    /// Endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointHealth>,
    /// Live connections, of their limit; `None`: no limit.
    pub connections: Option<Usage>,
    /// Pending connections, of their limit; `None`: no limit.
    pub pending: Option<Usage>,
}

impl ClusterHealth {
    /// Number of its endpoints in this state.
    pub fn count(&self, state: EndpointState) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.state == state).count()
    }
}

/// Usage of something limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Amount in use.
    pub used: usize,
    /// Limit.
    pub limit: usize,
}

/// Health of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// `host:port` of the endpoint.
    pub endpoint: Arc<str>,
    /// State.
    pub state: EndpointState,
    /// Time of the last change of state.
    pub since: Timestamp,
    /// Reason why it takes no connections; empty: it does.
    pub why: Arc<str>,
    /// Share of its weight that counts, in percent: less than 100 during its slow start.
    pub warmth: u8,
    /// Number of finished checks since it was first seen.
    pub checks: u64,
    /// Number of failed checks.
    pub failed_checks: u64,
    /// Number of ejections since it was first seen.
    pub ejections: u64,
}

words! {
    /// State of an endpoint.
    EndpointState {
        /// Takes connections: its checks succeed.
        Up = "up";
        /// Takes connections: no check has ended so far, or there are no checks.
        Unchecked = "unchecked";
        /// Down by its checks.
        Down = "down";
        /// Ejected for a while, because connections to it failed.
        Ejected = "ejected";
    }
}

impl EndpointState {
    /// Returns `true` if it takes connections.
    pub fn takes_connections(self) -> bool {
        matches!(self, Self::Up | Self::Unchecked)
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
