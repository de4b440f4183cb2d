//! The health of clusters, for whoever looks.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::balance::Condition;
use crate::config::ProxyName;

/// The health of a cluster that is checked, actively or by what becomes of connections, or whose endpoints start slowly,
/// or that has limits.
#[derive(Clone, Debug)]
pub struct ClusterHealth {
    /// The proxy that it belongs to.
    pub proxy: ProxyName,
    /// Its name.
    pub cluster: Arc<str>,
    /// How it is.
    pub condition: Condition,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<EndpointHealth>,
    /// The connections that it has, where they are limited.
    pub connections: Option<Usage>,
    /// The connections to it that are being established, where they are limited.
    pub pending: Option<Usage>,
}

impl ClusterHealth {
    /// How many of its endpoints are so.
    pub fn count(&self, state: EndpointState) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.state == state).count()
    }
}

/// How much of something limited is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// So much.
    pub used: usize,
    /// Of so much.
    pub limit: usize,
}

/// The health of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// Its `host:port`.
    pub endpoint: Arc<str>,
    /// How it is.
    pub state: EndpointState,
    /// Since when.
    pub since: Timestamp,
    /// Why it takes no connections; empty when it does.
    pub why: Arc<str>,
    /// How much of its weight counts, in percent: less than 100 while it starts slowly.
    pub warmth: u8,
    /// How many checks of it ended since it was first seen.
    pub checks: u64,
    /// How many of those failed.
    pub failed_checks: u64,
    /// How often it was set aside since it was first seen.
    pub ejections: u64,
}

/// How an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointState {
    /// It takes connections: its checks find it well.
    Up,
    /// It takes connections: no check has said anything of it so far, or nobody checks it.
    Unchecked,
    /// Checks find it down.
    Down,
    /// It is set aside for a while, because connections to it failed.
    Ejected,
}

impl EndpointState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Up, Self::Unchecked, Self::Down, Self::Ejected];

    /// In a word, as metrics and the admin server say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unchecked => "unchecked",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }

    /// Whether it takes connections.
    pub fn takes_connections(self) -> bool {
        matches!(self, Self::Up | Self::Unchecked)
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
