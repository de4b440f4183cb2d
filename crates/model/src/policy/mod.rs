//! Routes, and the other policies that a TCP outbound feels.

mod access_log;
mod balancing;
mod base64;
mod breaker;
mod conf;
mod connection;
mod connection_match;
mod duration;
mod health;
mod http_route;
mod legacy;
mod merge;
mod mesh_tls;
mod mirror;
mod network;
mod passthrough;
mod percent;
mod permission;
mod rollout;
mod tcp_route;
mod traffic_route;
mod written;

pub use access_log::{AccessLogBackend, AccessLogConf, AccessLogFormat, AccessLogTarget};
pub use balancing::{
    AffinityTag, BalancingRule, CrossZoneConf, Failover, FailoverTo, LoadBalancer, LoadBalancerConf,
    LoadBalancingConf, LocalZoneConf, Locality, LocalityConf,
};
pub use base64::parse_base64;
pub use breaker::{
    CircuitBreakerConf, DetectorsConf, FailurePercentage, InARow, OutlierConf, OutlierDetection, SuccessRate,
};
pub use conf::{Conf, Said, Spoken};
pub use connection::{RetryConf, TimeoutConf};
pub use connection_match::{ConnectionMatch, ServerNamePattern};
pub use duration::{format_duration, parse_duration};
pub use health::{HealthCheck, HealthCheckConf, TcpCheckConf};
pub use http_route::{HttpRouteConf, HttpRule, HttpRuleConf, Matches};
pub use legacy::{LegacyConf, LegacyPolicy};
pub use merge::{Merge, merged};
pub use mesh_tls::{MeshTlsConf, TlsCipher, TlsVersion, TlsVersionsConf};
pub use mirror::MirrorConf;
pub use network::{Network, NoNetwork};
pub use passthrough::{
    PassthroughConf, PassthroughMatch, PassthroughMatches, PassthroughMode, PassthroughProtocol,
    PassthroughTo,
};
pub use percent::Percent;
pub use permission::{PeerMatch, PermissionAction, PermissionConf, SpiffeIdMatch};
pub use rollout::{AbortCondition, Limit, OnAbort, Rollout, RolloutStep, Share, Times, WhenUnseen};
pub use tcp_route::{MatchedRule, TcpRouteConf};
pub use traffic_route::{LegacyDestination, TrafficRoute, TrafficSplit};
pub use written::Written;

use crate::kind::Kind;
use crate::reference::{BackendRef, TargetRef};

/// A policy of the targetRef generation, of any kind: whom it is for, and what it says about which destination.
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
    /// What it says about inbounds, without sources (newer inbound policies).
    pub rules: Vec<InboundRule>,
    /// What it says about the proxy itself: `spec.default`.
    pub default: Option<Box<Conf>>,
}

/// What a policy says about one destination or source.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyItem {
    /// The destination or source.
    pub target: TargetRef,
    /// What is said: the value of `default`; for MeshTCPRoute its rules, or a route to the target where it has none
    /// (spec 01 §2.4); for MeshHTTPRoute everything beside `targetRef`.
    pub conf: Conf,
    /// Of routes: the backendRefs of each rule, as they are written.
    pub backend_refs: Vec<Vec<BackendRef>>,
}

/// What a policy says about inbounds, whoever connects.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundRule {
    /// When it applies; none: always. No TCP connection is told apart by it.
    pub matches: Vec<Written>,
    /// What is said; absent: nothing.
    pub conf: Option<Conf>,
}
