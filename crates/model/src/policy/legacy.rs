//! The policies of the tag-based model that only feel what a TrafficRoute made: Timeout, Retry, TrafficLog and the
//! others that are shown, but do nothing to TCP.

use super::{RetryConf, TimeoutConf};
use crate::kind::Kind;
use crate::reference::Tags;

/// A policy of the tag-based model: for connections from any of the sources to any of the destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyPolicy {
    /// Its kind.
    pub kind: Kind,
    /// Which proxies: any of these matches the tags of an inbound or of the gateway.
    pub sources: Vec<Tags>,
    /// Which destinations: any of these matches the tags of the outbound.
    pub destinations: Vec<Tags>,
    /// What it says.
    pub conf: LegacyConf,
}

/// What a policy of the tag-based model says to a TCP connection, by its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyConf {
    /// Of a Timeout.
    Timeout(TimeoutConf),
    /// Of a Retry.
    Retry(RetryConf),
    /// Of a TrafficLog: the logging backend of the Mesh that it names; absent: the default one of the Mesh.
    Log(Option<String>),
    /// Nothing: the policy is of another kind.
    Unfelt,
}

impl LegacyPolicy {
    /// What it says about time; `None` when it is no Timeout.
    pub fn timeout(&self) -> Option<&TimeoutConf> {
        match &self.conf {
            LegacyConf::Timeout(timeout) => Some(timeout),
            LegacyConf::Retry(_) | LegacyConf::Log(_) | LegacyConf::Unfelt => None,
        }
    }

    /// How many endpoints to try; `None` when it is no Retry.
    pub fn max_connect_attempts(&self) -> Option<u32> {
        match &self.conf {
            LegacyConf::Retry(retry) => retry.max_connect_attempts,
            LegacyConf::Timeout(_) | LegacyConf::Log(_) | LegacyConf::Unfelt => None,
        }
    }

    /// The logging backend of the Mesh that it names; absent: the default one of the Mesh.
    pub fn logging_backend(&self) -> Option<&str> {
        match &self.conf {
            LegacyConf::Log(backend) => backend.as_deref(),
            LegacyConf::Timeout(_) | LegacyConf::Retry(_) | LegacyConf::Unfelt => None,
        }
    }
}
