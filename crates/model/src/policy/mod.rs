//! Routes, and the other policies that affect a TCP outbound.

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
pub use conf::{Conf, PolicyConf, TypedConf};
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

/// Policy of the targetRef generation, of any kind: its target, and its confs by destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Kind of the policy.
    pub kind: Kind,
    /// Proxies that it is for; absent: the whole mesh (2.9+).
    pub target: Option<TargetRef>,
    /// Items about destinations.
    pub to: Vec<PolicyItem>,
    /// Items about sources (inbound policies).
    pub from: Vec<PolicyItem>,
    /// Rules about inbounds, without sources (newer inbound policies).
    pub rules: Vec<InboundRule>,
    /// Conf about the proxy itself: `spec.default`.
    pub default: Option<Box<Conf>>,
}

/// Item of a policy about one destination or source.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyItem {
    /// Destination or source.
    pub target: TargetRef,
    /// Conf: the value of `default`; for MeshTCPRoute its rules, or a route to the target if it has none (spec 01
    /// §2.4); for MeshHTTPRoute everything beside `targetRef`.
    pub conf: Conf,
    /// Of routes: the backendRefs of each rule, as written.
    pub backend_refs: Vec<Vec<BackendRef>>,
}

/// Rule of a policy about inbounds, whatever the client.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundRule {
    /// Matches under which it applies; empty: always. They do not distinguish TCP connections.
    pub matches: Vec<Written>,
    /// Conf of the rule; absent: it sets nothing.
    pub conf: Option<Conf>,
}
