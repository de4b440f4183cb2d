//! The health of clusters, for whoever looks.

use std::fmt;
use std::sync::Arc;

use crate::balance::Condition;
use crate::config::ProxyName;

/// The health of a cluster that is checked, actively or by what becomes of connections.
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
}

/// The health of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// Its `host:port`.
    pub endpoint: Arc<str>,
    /// How it is.
    pub state: EndpointState,
    /// Why it is down; empty when it is not.
    pub why: Arc<str>,
    /// How much of its weight counts, in percent: less than 100 while it starts slowly.
    pub warmth: u8,
    /// How many checks of it failed since it was first seen.
    pub failed_checks: u64,
    /// How often it was set aside since it was first seen.
    pub ejections: u64,
}

/// How an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointState {
    /// It takes connections.
    Up,
    /// Checks find it down.
    Down,
    /// It is set aside for a while, because connections to it failed.
    Ejected,
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
        })
    }
}
