//! Table of kinds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Scope of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Belongs to a mesh.
    Mesh,
    /// Belongs to no mesh.
    Global,
}

/// Place of the body of a resource in the Universal format (spec 01 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Under `spec`.
    Spec,
    /// Beside `type` and `name`.
    Inline,
}

/// Place of the objects of a kind on Kubernetes (spec 01 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubernetesScope {
    /// Namespace, which is the suffix of their stored name.
    Namespace,
    /// Cluster, as for the older kinds.
    Cluster,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $plural:literal, $short:expr, $scope:ident, $body:ident, $home:ident;)*) => {
        /// Kind of a resource. Kinds without a type of their own in [`Spec`](crate::resource::Spec) are kept as
        /// [`Spec::Other`](crate::resource::Spec::Other).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// Name of the kind in `type` or `kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind),)* }
            }

            /// Plural in paths and CRD names, e.g. `meshtcproutes`.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)* }
            }

            /// Short name in KRIs and on the command line; absent: the kind has none.
            pub const fn short_name(self) -> Option<&'static str> {
                match self { $(Kind::$kind => $short,)* }
            }

            /// Scope of resources of this kind.
            pub const fn scope(self) -> Scope {
                match self { $(Kind::$kind => Scope::$scope,)* }
            }

            /// Place of the body in the Universal format.
            pub const fn body(self) -> Body {
                match self { $(Kind::$kind => Body::$body,)* }
            }

            /// Place of the objects of this kind on Kubernetes.
            pub const fn home(self) -> KubernetesScope {
                match self { $(Kind::$kind => KubernetesScope::$home,)* }
            }
        }
    };
}

// kind: plural, short name, scope, body in the Universal format, place of its objects on Kubernetes
kinds! {
    /// Mesh.
    Mesh: "meshes", Some("m"), Global, Inline, Cluster;
    /// Proxy, and what it stands for.
    Dataplane: "dataplanes", Some("dp"), Mesh, Inline, Namespace;
    /// Service of the mesh.
    MeshService: "meshservices", Some("msvc"), Mesh, Spec, Namespace;
    /// One service in several zones.
    MeshMultiZoneService: "meshmultizoneservices", Some("mzsvc"), Mesh, Spec, Namespace;
    /// Service outside the mesh.
    MeshExternalService: "meshexternalservices", Some("extsvc"), Mesh, Spec, Namespace;
    /// Listeners of builtin gateways.
    MeshGateway: "meshgateways", Some("mgw"), Mesh, Inline, Cluster;
    /// Proxy that accepts connections from other zones.
    ZoneIngress: "zoneingresses", Some("zi"), Global, Inline, Namespace;
    /// Proxy that carries connections out of a zone.
    ZoneEgress: "zoneegresses", Some("ze"), Global, Inline, Namespace;
    /// Service outside the mesh, in the tag-based model.
    ExternalService: "external-services", Some("es"), Mesh, Inline, Cluster;
    /// Routes and splits of TCP connections.
    MeshTCPRoute: "meshtcproutes", Some("mtcpr"), Mesh, Spec, Namespace;
    /// Routes of HTTP requests; precedes MeshTCPRoute on HTTP-like destinations.
    MeshHTTPRoute: "meshhttproutes", Some("mhttpr"), Mesh, Spec, Namespace;
    /// Routes of the tag-based model.
    TrafficRoute: "traffic-routes", Some("tr"), Mesh, Inline, Cluster;
    /// Timeouts.
    MeshTimeout: "meshtimeouts", Some("mt"), Mesh, Spec, Namespace;
    /// Retries.
    MeshRetry: "meshretries", Some("mr"), Mesh, Spec, Namespace;
    /// Access logs.
    MeshAccessLog: "meshaccesslogs", Some("mal"), Mesh, Spec, Namespace;
    /// Connection limits and outlier detection.
    MeshCircuitBreaker: "meshcircuitbreakers", Some("mcb"), Mesh, Spec, Namespace;
    /// Active health checks.
    MeshHealthCheck: "meshhealthchecks", Some("mhc"), Mesh, Spec, Namespace;
    /// Load balancing and locality.
    MeshLoadBalancingStrategy: "meshloadbalancingstrategies", Some("mlbs"), Mesh, Spec, Namespace;
    /// Permissions to connect.
    MeshTrafficPermission: "meshtrafficpermissions", Some("mtp"), Mesh, Spec, Namespace;
    /// Connection and request rates.
    MeshRateLimit: "meshratelimits", Some("mrl"), Mesh, Spec, Namespace;
    /// Deliberate faults.
    MeshFaultInjection: "meshfaultinjections", Some("mfi"), Mesh, Spec, Namespace;
    /// Traces.
    MeshTrace: "meshtraces", Some("mtr"), Mesh, Spec, Namespace;
    /// Metrics.
    MeshMetric: "meshmetrics", Some("mm"), Mesh, Spec, Namespace;
    /// Patches of Envoy configuration.
    MeshProxyPatch: "meshproxypatches", Some("mpp"), Mesh, Spec, Namespace;
    /// Connections that match no outbound.
    MeshPassthrough: "meshpassthroughs", Some("mp"), Mesh, Spec, Namespace;
    /// TLS between proxies.
    MeshTLS: "meshtlses", Some("mtls"), Mesh, Spec, Namespace;
    /// Identities of workloads.
    MeshIdentity: "meshidentities", Some("mid"), Mesh, Spec, Namespace;
    /// Authorities that workloads trust.
    MeshTrust: "meshtrusts", Some("mtrust"), Mesh, Spec, Namespace;
    /// Public address of a zone.
    MeshZoneAddress: "meshzoneaddresses", Some("mza"), Mesh, Spec, Namespace;
    /// Host names of services.
    HostnameGenerator: "hostnamegenerators", Some("hg"), Global, Spec, Namespace;
    /// Retries of the tag-based model.
    Retry: "retries", None, Mesh, Inline, Cluster;
    /// Timeouts of the tag-based model.
    Timeout: "timeouts", None, Mesh, Inline, Cluster;
    /// Access logs of the tag-based model.
    TrafficLog: "traffic-logs", None, Mesh, Inline, Cluster;
    /// Permissions of the tag-based model.
    TrafficPermission: "traffic-permissions", None, Mesh, Inline, Cluster;
    /// Health checks of the tag-based model.
    HealthCheck: "health-checks", None, Mesh, Inline, Cluster;
    /// Circuit breakers of the tag-based model.
    CircuitBreaker: "circuit-breakers", None, Mesh, Inline, Cluster;
    /// Extra outbounds with transparent proxying.
    VirtualOutbound: "virtual-outbounds", None, Mesh, Inline, Cluster;
    /// HTTP and TCP routes of builtin gateways before MeshHTTPRoute and MeshTCPRoute.
    MeshGatewayRoute: "meshgatewayroutes", None, Mesh, Inline, Cluster;
    /// Secret of a mesh.
    Secret: "secrets", None, Mesh, Inline, Namespace;
    /// Secret of no mesh.
    GlobalSecret: "globalsecrets", None, Global, Inline, Namespace;
    /// Zone.
    Zone: "zones", Some("z"), Global, Inline, Cluster;
    /// Traces of the tag-based model.
    TrafficTrace: "traffic-traces", None, Mesh, Inline, Cluster;
    /// Deliberate faults of the tag-based model.
    FaultInjection: "fault-injections", None, Mesh, Inline, Cluster;
    /// Request rates of the tag-based model.
    RateLimit: "rate-limits", None, Mesh, Inline, Cluster;
    /// Patches of Envoy configuration of the tag-based model.
    ProxyTemplate: "proxytemplates", None, Mesh, Inline, Cluster;
    /// Destination of traces, metrics and access logs.
    MeshOpenTelemetryBackend: "meshopentelemetrybackends", Some("motb"), Mesh, Spec, Namespace;
    /// Group of dataplanes that run the same workload.
    Workload: "workloads", Some("wl"), Mesh, Spec, Namespace;
    /// Change of weights in steps, which is reverted automatically; a kind of meshtcp's own.
    MeshTCPRollout: "meshtcprollouts", Some("mtcpro"), Mesh, Spec, Namespace;
    /// Copies of what clients send to a second backend; a kind of meshtcp's own.
    MeshTCPMirror: "meshtcpmirrors", Some("mtcpm"), Mesh, Spec, Namespace;
}

impl Kind {
    /// Parses a kind; case-sensitive.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// Returns `true` for policies of the targetRef generation.
    pub const fn is_policy(self) -> bool {
        matches!(
            self,
            Kind::MeshTCPRoute
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
                | Kind::MeshMetric
                | Kind::MeshProxyPatch
                | Kind::MeshPassthrough
                | Kind::MeshTLS
                | Kind::MeshTCPMirror
        )
    }

    /// Returns `true` for kinds of meshtcp's own: Kuma does not know them, and is not sent resources of them.
    pub const fn is_own(self) -> bool {
        matches!(self, Kind::MeshTCPRollout | Kind::MeshTCPMirror)
    }

    /// Returns the members of a document that a control plane computes and its clients send back (spec 10 §B.3).
    /// They are ignored in every profile, since a client may be newer than it.
    pub const fn computed_members(self) -> &'static [&'static str] {
        match self {
            Kind::MeshService | Kind::MeshExternalService | Kind::MeshMultiZoneService => {
                &["creationTime", "modificationTime", "kri", "snis"]
            }
            _ => &["creationTime", "modificationTime", "kri"],
        }
    }

    /// Returns `true` if resources of this kind have an identifier (KRI). Two older kinds have a short name only
    /// for people.
    pub const fn has_kri(self) -> bool {
        self.short_name().is_some() && !matches!(self, Kind::ExternalService | Kind::TrafficRoute)
    }

    /// Parses a short name, as in a KRI.
    pub fn from_short_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.short_name() == Some(text))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
