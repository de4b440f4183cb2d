//! Windows: the range of profiles that know something.

use std::fmt;

use crate::kind::Kind;
use crate::profile::Profile;

/// Range of profiles, inclusive, that know a kind, a field or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First profile that knows it.
    pub since: Profile,
    /// Last profile that knows it.
    pub until: Profile,
}

impl Window {
    /// A window of all profiles.
    pub const ALWAYS: Window = Window { since: Profile::V2_3, until: Profile::V3 };

    /// A window from a profile on.
    pub const fn since(since: Profile) -> Self {
        Self { since, until: Profile::V3 }
    }

    /// A window from one profile to another.
    pub const fn between(since: Profile, until: Profile) -> Self {
        Self { since, until }
    }

    /// A window up to the last profile of the tag-based model.
    pub const fn before_3(since: Profile) -> Self {
        Self { since, until: Profile::V2_14 }
    }

    /// Returns `true` if a profile knows it; an extension knows what its release does.
    pub fn contains(self, profile: Profile) -> bool {
        self.since <= profile && profile.release() <= self.until
    }
}

impl fmt::Display for Window {
    /// Writes `from 2.8 on`, `up to 2.14`, `from 2.6 to 2.14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.until) {
            (Profile::V2_3, Profile::V3) => write!(f, "in every profile"),
            (since, Profile::V3) => write!(f, "from {since} on"),
            (Profile::V2_3, until) => write!(f, "up to {until}"),
            (since, until) => write!(f, "from {since} to {until}"),
        }
    }
}

impl Kind {
    /// Profiles that know resources of this kind (spec 01, 05 §5.1).
    pub const fn window(self) -> Window {
        match self {
            Kind::MeshService
            | Kind::MeshExternalService
            | Kind::HostnameGenerator
            | Kind::MeshPassthrough => Window::since(Profile::V2_8),
            Kind::MeshMultiZoneService | Kind::MeshTLS => Window::since(Profile::V2_9),
            Kind::MeshMetric => Window::since(Profile::V2_6),
            Kind::MeshIdentity | Kind::MeshTrust => Window::since(Profile::V2_12),
            Kind::Workload => Window::since(Profile::V2_13),
            Kind::MeshZoneAddress | Kind::MeshOpenTelemetryBackend => Window::since(Profile::V2_14),
            Kind::MeshGateway
            | Kind::MeshGatewayRoute
            | Kind::ZoneIngress
            | Kind::ZoneEgress
            | Kind::ExternalService
            | Kind::TrafficRoute
            | Kind::Retry
            | Kind::Timeout
            | Kind::TrafficLog
            | Kind::TrafficPermission
            | Kind::HealthCheck
            | Kind::CircuitBreaker
            | Kind::VirtualOutbound
            | Kind::TrafficTrace
            | Kind::FaultInjection
            | Kind::RateLimit
            | Kind::ProxyTemplate => Window::before_3(Profile::V2_3),
            Kind::Mesh
            | Kind::Dataplane
            | Kind::MeshTCPRoute
            | Kind::MeshHTTPRoute
            | Kind::MeshTimeout
            | Kind::MeshRetry
            | Kind::MeshAccessLog
            | Kind::MeshCircuitBreaker
            | Kind::MeshHealthCheck
            | Kind::MeshLoadBalancingStrategy
            | Kind::MeshTrafficPermission
            | Kind::MeshRateLimit
            | Kind::MeshFaultInjection
            | Kind::MeshTrace
            | Kind::MeshProxyPatch
            | Kind::MeshTCPRollout
            | Kind::Secret
            | Kind::GlobalSecret
            | Kind::Zone
            | Kind::MeshTCPMirror => Window::ALWAYS,
        }
    }
}
