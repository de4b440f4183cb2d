//! Routes, and the other policies that a TCP outbound feels.

mod access_log;
mod balancing;
mod base64;
mod breaker;
mod connection;
mod duration;
mod health;
mod legacy;
mod percent;
mod tcp_route;
mod traffic_route;

pub use access_log::{AccessLogBackend, AccessLogFormat, AccessLogTarget, access_log_backends};
pub use balancing::{AffinityTag, Failover, FailoverTo, LoadBalancer, Locality, load_balancer, locality};
pub use base64::parse_base64;
pub use breaker::{
    FailurePercentage, OutlierDetection, SuccessRate, max_connections, max_pending_connections,
    outlier_detection, outlier_panic_threshold,
};
pub use connection::{connection_timeout, idle_timeout, max_connect_attempts};
pub use duration::{format_duration, parse_duration};
pub use health::{HealthCheck, fail_on_panic, health_check, panic_threshold};
pub use legacy::LegacyPolicy;
pub use percent::Percent;
pub use tcp_route::backend_refs;
pub use traffic_route::{LegacyDestination, TrafficRoute, TrafficSplit};

use serde_json::Value;

use crate::kind::Kind;
use crate::reference::TargetRef;

/// A policy of the targetRef generation, of any kind: whom it is for, and what it says about which destination.
///
/// The confs stay JSON trees, because merging is defined on trees (RFC 7396, spec 03 §4.3). Their shape was checked by
/// `draft`, so the typed views in this module read them without failing.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its kind.
    pub kind: Kind,
    /// Whom it is for; absent: the whole mesh (2.9+).
    pub target: Option<TargetRef>,
    /// What it says about destinations.
    pub to: Vec<PolicyItem>,
    /// What it says about sources (inbound policies).
    pub from: Vec<PolicyItem>,
    /// What it says about inbounds, without sources (newer inbound policies): the items of `spec.rules`.
    pub rules: Vec<Value>,
    /// What it says about the proxy itself: `spec.default`; null when absent.
    pub default: Value,
}

/// What a policy says about one destination or source.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyItem {
    /// The destination or source.
    pub target: TargetRef,
    /// What is said: the value of `default`; for routes an object of everything beside `targetRef` (`rules`,
    /// `hostnames`).
    pub conf: Value,
}
