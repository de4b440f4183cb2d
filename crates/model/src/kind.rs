//! The one table of kinds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// To what a resource belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It has a mesh.
    Mesh,
    /// It has none.
    Global,
}

/// Where the body of a resource stands in the Universal format (spec 01 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Under `spec`.
    Spec,
    /// Beside `type` and `name`.
    Inline,
}

/// Where objects of a kind live on Kubernetes (spec 01 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In a namespace, which their stored name ends with.
    Namespace,
    /// In the cluster, as the older kinds do.
    Cluster,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $plural:literal, $short:expr, $scope:ident, $body:ident, $home:ident;)*) => {
        /// Every kind that is known by name. Those without a type of their own in [`Spec`](crate::resource::Spec) are kept as [`Spec::Other`](crate::resource::Spec::Other).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// The kind as it is written in `type` or `kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind),)* }
            }

            /// The plural in paths and CRD names, e.g. `meshtcproutes`.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$kind => $plural,)* }
            }

            /// The short name in KRIs and on the command line, where the kind has one.
            pub const fn short_name(self) -> Option<&'static str> {
                match self { $(Kind::$kind => $short,)* }
            }

            /// To what resources of this kind belong.
            pub const fn scope(self) -> Scope {
                match self { $(Kind::$kind => Scope::$scope,)* }
            }

            /// Where the body stands in the Universal format.
            pub const fn body(self) -> Body {
                match self { $(Kind::$kind => Body::$body,)* }
            }

            /// Where objects of this kind live on Kubernetes.
            pub const fn home(self) -> Home {
                match self { $(Kind::$kind => Home::$home,)* }
            }
        }
    };
}

// kind: plural, short name, scope, body in the Universal format, where its objects live on Kubernetes
kinds! {
    /// A mesh.
    Mesh: "meshes", Some("m"), Global, Inline, Cluster;
    /// A proxy, and what it stands for.
    Dataplane: "dataplanes", Some("dp"), Mesh, Inline, Namespace;
    /// A service.
    MeshService: "meshservices", Some("msvc"), Mesh, Spec, Namespace;
    /// The same service in several zones.
    MeshMultiZoneService: "meshmultizoneservices", Some("mzsvc"), Mesh, Spec, Namespace;
    /// A service outside the mesh.
    MeshExternalService: "meshexternalservices", Some("extsvc"), Mesh, Spec, Namespace;
    /// The listeners of builtin gateways.
    MeshGateway: "meshgateways", Some("mgw"), Mesh, Inline, Cluster;
    /// Where a zone takes connections from other zones.
    ZoneIngress: "zoneingresses", Some("zi"), Global, Inline, Namespace;
    /// Where a zone sends connections out.
    ZoneEgress: "zoneegresses", Some("ze"), Global, Inline, Namespace;
    /// A service outside the mesh, in the tag-based model.
    ExternalService: "external-services", Some("es"), Mesh, Inline, Cluster;
    /// Reroutes and splits TCP.
    MeshTCPRoute: "meshtcproutes", Some("mtcpr"), Mesh, Spec, Namespace;
    /// Routes HTTP; wins over MeshTCPRoute on HTTP-like destinations.
    MeshHTTPRoute: "meshhttproutes", Some("mhttpr"), Mesh, Spec, Namespace;
    /// The route of the tag-based model.
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
    /// How endpoints are chosen.
    MeshLoadBalancingStrategy: "meshloadbalancingstrategies", Some("mlbs"), Mesh, Spec, Namespace;
    /// Who may connect.
    MeshTrafficPermission: "meshtrafficpermissions", Some("mtp"), Mesh, Spec, Namespace;
    /// Connection and request rates.
    MeshRateLimit: "meshratelimits", Some("mrl"), Mesh, Spec, Namespace;
    /// Faults on purpose.
    MeshFaultInjection: "meshfaultinjections", Some("mfi"), Mesh, Spec, Namespace;
    /// Traces.
    MeshTrace: "meshtraces", Some("mtr"), Mesh, Spec, Namespace;
    /// Metrics.
    MeshMetric: "meshmetrics", Some("mm"), Mesh, Spec, Namespace;
    /// Patches of Envoy configuration.
    MeshProxyPatch: "meshproxypatches", Some("mpp"), Mesh, Spec, Namespace;
    /// Traffic that belongs to no outbound.
    MeshPassthrough: "meshpassthroughs", Some("mp"), Mesh, Spec, Namespace;
    /// TLS between proxies.
    MeshTLS: "meshtlses", Some("mtls"), Mesh, Spec, Namespace;
    /// Who workloads are.
    MeshIdentity: "meshidentities", Some("mid"), Mesh, Spec, Namespace;
    /// Whom workloads trust.
    MeshTrust: "meshtrusts", Some("mtrust"), Mesh, Spec, Namespace;
    /// The public address of a zone.
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
    /// A secret of a mesh.
    Secret: "secrets", None, Mesh, Inline, Namespace;
    /// A secret of no mesh.
    GlobalSecret: "globalsecrets", None, Global, Inline, Namespace;
    /// A zone.
    Zone: "zones", Some("z"), Global, Inline, Cluster;
    /// Traces of the tag-based model.
    TrafficTrace: "traffic-traces", None, Mesh, Inline, Cluster;
    /// Faults on purpose of the tag-based model.
    FaultInjection: "fault-injections", None, Mesh, Inline, Cluster;
    /// Request rates of the tag-based model.
    RateLimit: "rate-limits", None, Mesh, Inline, Cluster;
    /// Patches of Envoy configuration of the tag-based model.
    ProxyTemplate: "proxytemplates", None, Mesh, Inline, Cluster;
    /// Where traces, metrics and access logs are sent.
    MeshOpenTelemetryBackend: "meshopentelemetrybackends", Some("motb"), Mesh, Spec, Namespace;
    /// Dataplanes that run the same.
    Workload: "workloads", Some("wl"), Mesh, Spec, Namespace;
    /// A change of weights in steps, which goes back by itself; meshtcp's own.
    MeshTCPRollout: "meshtcprollouts", Some("mtcpro"), Mesh, Spec, Namespace;
    /// Copies what clients send to a second backend; a kind of meshtcp's own.
    MeshTCPMirror: "meshtcpmirrors", Some("mtcpm"), Mesh, Spec, Namespace;
}

impl Kind {
    /// Reads a kind; exact case.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    /// Whether it is a policy of the targetRef generation.
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

    /// Whether it is meshtcp's own: no Kuma knows it, and none is sent resources of it.
    pub const fn is_own(self) -> bool {
        matches!(self, Kind::MeshTCPRollout | Kind::MeshTCPMirror)
    }

    /// The members of a document that a control plane computes and its clients send back (spec 10 §B.3). What they say
    /// does not count; whichever profile reads them, since a client may be newer than it.
    pub const fn computed_members(self) -> &'static [&'static str] {
        match self {
            Kind::MeshService | Kind::MeshExternalService | Kind::MeshMultiZoneService => {
                &["creationTime", "modificationTime", "kri", "snis"]
            }
            _ => &["creationTime", "modificationTime", "kri"],
        }
    }

    /// Whether resources of this kind have an identifier (KRI). Two older kinds have a short name only for people.
    pub const fn has_kri(self) -> bool {
        self.short_name().is_some() && !matches!(self, Kind::ExternalService | Kind::TrafficRoute)
    }

    /// Reads a short name, as in a KRI.
    pub fn from_short_name(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.short_name() == Some(text))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
