//! Policies of the tag-based model that apply only where a TrafficRoute decides: Timeout, Retry, TrafficLog, and
//! others that are shown but do not affect TCP.

use super::{RetryConf, TimeoutConf};
use crate::kind::Kind;
use crate::reference::Tags;

/// Policy of the tag-based model: for connections from any of the sources to any of the destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyPolicy {
    /// Kind of the policy.
    pub kind: Kind,
    /// Selectors of proxies, any of which must match the tags of an inbound or of the gateway.
    pub sources: Vec<Tags>,
    /// Selectors of destinations, any of which must match the tags of the outbound.
    pub destinations: Vec<Tags>,
    /// Conf of the policy.
    pub conf: LegacyConf,
}

/// Settings of a policy of the tag-based model that affect a TCP connection, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyConf {
    /// Settings of a Timeout.
    Timeout(TimeoutConf),
    /// Settings of a Retry.
    Retry(RetryConf),
    /// Logging backend of the Mesh that a TrafficLog names; absent: the Mesh's default one.
    Log(Option<String>),
    /// None: policies of this kind do not affect TCP connections.
    Unfelt,
}

impl LegacyPolicy {
    /// Timeouts; `None`: it is not a Timeout.
    pub fn timeout(&self) -> Option<&TimeoutConf> {
        match &self.conf {
            LegacyConf::Timeout(timeout) => Some(timeout),
            LegacyConf::Retry(_) | LegacyConf::Log(_) | LegacyConf::Unfelt => None,
        }
    }

    /// Limit on the endpoints tried for one connection; `None`: it is not a Retry.
    pub fn max_connect_attempts(&self) -> Option<u32> {
        match &self.conf {
            LegacyConf::Retry(retry) => retry.max_connect_attempts,
            LegacyConf::Timeout(_) | LegacyConf::Log(_) | LegacyConf::Unfelt => None,
        }
    }

    /// Name of the Mesh's logging backend; absent: the Mesh's default one.
    pub fn logging_backend(&self) -> Option<&str> {
        match &self.conf {
            LegacyConf::Log(backend) => backend.as_deref(),
            LegacyConf::Timeout(_) | LegacyConf::Retry(_) | LegacyConf::Unfelt => None,
        }
    }
}
