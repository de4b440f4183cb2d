//! The policies of the tag-based model that only feel what a TrafficRoute made: Timeout, Retry, TrafficLog and the
//! others that are shown, but do nothing to TCP.

use std::time::Duration;

use serde_json::Value;

use crate::kind::Kind;
use crate::policy::parse_duration;
use crate::reference::Tags;

/// A policy of the tag-based model: for connections from any of the sources to any of the destinations.
#[derive(Clone, Debug, PartialEq)]
pub struct LegacyPolicy {
    /// Its kind.
    pub kind: Kind,
    /// Which proxies: any of these matches the tags of an inbound or of the gateway.
    pub sources: Vec<Tags>,
    /// Which destinations: any of these matches the tags of the outbound.
    pub destinations: Vec<Tags>,
    /// What it says; its durations were checked by `draft`.
    pub conf: Value,
}

impl LegacyPolicy {
    /// `conf.connectTimeout` of a Timeout.
    pub fn connect_timeout(&self) -> Option<Duration> {
        (self.kind == Kind::Timeout).then(|| self.duration("/connectTimeout"))?
    }

    /// `conf.tcp.idleTimeout` of a Timeout.
    pub fn idle_timeout(&self) -> Option<Duration> {
        (self.kind == Kind::Timeout).then(|| self.duration("/tcp/idleTimeout"))?
    }

    /// `conf.tcp.maxConnectAttempts` of a Retry.
    pub fn max_connect_attempts(&self) -> Option<u32> {
        let attempts = self.conf.pointer("/tcp/maxConnectAttempts").filter(|_| self.kind == Kind::Retry)?;
        u32::try_from(attempts.as_u64()?).ok()
    }

    /// Which logging backend of the Mesh a TrafficLog names: `conf.backend`; absent: the default one of the Mesh.
    pub fn logging_backend(&self) -> Option<&str> {
        self.conf
            .get("backend")
            .filter(|_| self.kind == Kind::TrafficLog)?
            .as_str()
            .filter(|name| !name.is_empty())
    }

    fn duration(&self, pointer: &str) -> Option<Duration> {
        parse_duration(self.conf.pointer(pointer)?.as_str()?)
    }
}
