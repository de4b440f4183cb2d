//! One resource, and the one table of kinds.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::name::{MeshName, ResourceName};
use crate::policy::{LegacyPolicy, Policy, TrafficRoute};
use crate::reference::{Labels, ResourceId, ZONE_TAG};
use crate::topology::{
    Dataplane, ExternalService, Mesh, MeshExternalService, MeshGateway, MeshMultiZoneService, MeshService,
    ZoneEgress, ZoneIngress,
};

/// The label that keeps the operator's name when a copy was renamed.
pub const DISPLAY_NAME_LABEL: &str = "kuma.io/display-name";
/// The label that names a Kubernetes namespace.
pub const NAMESPACE_LABEL: &str = "k8s.kuma.io/namespace";
/// The label that says on which side a resource was made.
pub const ORIGIN_LABEL: &str = "kuma.io/origin";
/// The label that ranks a policy.
pub const ROLE_LABEL: &str = "kuma.io/policy-role";
/// The label that turns a policy into a shadow policy.
pub const EFFECT_LABEL: &str = "kuma.io/effect";

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
        /// Every kind that is known by name. Those without a type of their own in [`Spec`] are kept as [`Spec::Other`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// The public address of a zone (profile 3).
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
    GlobalSecret: "global-secrets", None, Global, Inline, Namespace;
    /// A zone.
    Zone: "zones", Some("z"), Global, Inline, Cluster;
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
        )
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

/// On which side a resource was made (label `kuma.io/origin`). Greater is more important (spec 03 §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// On the global control plane.
    Global,
    /// Not said, or with an unknown word.
    Unknown,
    /// In a zone.
    Zone,
}

/// The role of a policy (label `kuma.io/policy-role`). Greater is more important (spec 02 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyRole {
    /// Of the mesh operator; also when the label is missing.
    System,
    /// Of a service's owner, for all its clients.
    Producer,
    /// Of a client, for itself.
    Consumer,
    /// Of a workload's owner.
    WorkloadOwner,
}

impl PolicyRole {
    /// The role as it is written in the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            PolicyRole::System => "system",
            PolicyRole::Producer => "producer",
            PolicyRole::Consumer => "consumer",
            PolicyRole::WorkloadOwner => "workload-owner",
        }
    }
}

/// What every resource has besides its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The mesh; empty for kinds of global scope.
    pub mesh: MeshName,
    /// The stored name.
    pub name: ResourceName,
    /// The labels.
    pub labels: Labels,
    /// When it was made, in microseconds since 1970; absent where nobody said. Older wins some ties (spec 03 §6.3).
    pub created: Option<i64>,
    /// The file or other place that it came from, with its line: `shop/routes.yaml:12`.
    pub source: Arc<str>,
}

impl Meta {
    /// Metadata of a resource that came from nowhere in particular.
    pub fn new(mesh: impl Into<MeshName>, name: impl Into<ResourceName>) -> Self {
        Self {
            mesh: mesh.into(),
            name: name.into(),
            labels: Labels::default(),
            created: None,
            source: "".into(),
        }
    }

    /// The name that matching, sorting and identifiers use (spec 01 §1.2): the label `kuma.io/display-name`, or the
    /// stored name without its namespace.
    pub fn display_name(&self) -> &str {
        self.labels.get(DISPLAY_NAME_LABEL).unwrap_or_else(|| self.name_without_namespace())
    }

    /// The stored name, without the namespace that it ends in on Kubernetes.
    pub fn name_without_namespace(&self) -> &str {
        let name = self.name.as_str();
        match self.labels.get(NAMESPACE_LABEL) {
            Some(namespace) => name.strip_suffix(namespace).and_then(|n| n.strip_suffix('.')).unwrap_or(name),
            None => name,
        }
    }

    /// The owning zone; empty when it has none.
    pub fn zone(&self) -> &str {
        self.labels.get(ZONE_TAG).unwrap_or_default()
    }

    /// The namespace; empty when it has none.
    pub fn namespace(&self) -> &str {
        self.labels.get(NAMESPACE_LABEL).unwrap_or_default()
    }

    /// On which side it was made.
    pub fn origin(&self) -> Origin {
        match self.labels.get(ORIGIN_LABEL) {
            Some("global") => Origin::Global,
            Some("zone") => Origin::Zone,
            _ => Origin::Unknown,
        }
    }

    /// Its role, if it is a policy.
    pub fn role(&self) -> PolicyRole {
        match self.labels.get(ROLE_LABEL) {
            Some("producer") => PolicyRole::Producer,
            Some("consumer") => PolicyRole::Consumer,
            Some("workload-owner") => PolicyRole::WorkloadOwner,
            _ => PolicyRole::System,
        }
    }

    /// Whether it is a shadow policy, which configures nothing (2.7+).
    pub fn is_shadow(&self) -> bool {
        self.labels.get(EFFECT_LABEL) == Some("shadow")
    }
}

/// A valid resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// What every resource has.
    pub meta: Meta,
    /// Its body.
    pub spec: Spec,
}

/// The body of a resource, by kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // one variant a kind, named after it
pub enum Spec {
    Mesh(Mesh),
    Dataplane(Dataplane),
    MeshService(MeshService),
    MeshMultiZoneService(MeshMultiZoneService),
    MeshExternalService(MeshExternalService),
    MeshGateway(MeshGateway),
    ZoneIngress(ZoneIngress),
    ZoneEgress(ZoneEgress),
    ExternalService(ExternalService),
    TrafficRoute(TrafficRoute),
    /// A policy of the targetRef generation, of any kind.
    Policy(Policy),
    /// A policy of the tag-based model, of any kind but TrafficRoute.
    Legacy(LegacyPolicy),
    /// A kind that is known by name only: stored and shown, without effect on TCP routing.
    Other {
        kind: Kind,
        body: serde_json::Value,
    },
}

impl Resource {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match &self.spec {
            Spec::Mesh(_) => Kind::Mesh,
            Spec::Dataplane(_) => Kind::Dataplane,
            Spec::MeshService(_) => Kind::MeshService,
            Spec::MeshMultiZoneService(_) => Kind::MeshMultiZoneService,
            Spec::MeshExternalService(_) => Kind::MeshExternalService,
            Spec::MeshGateway(_) => Kind::MeshGateway,
            Spec::ZoneIngress(_) => Kind::ZoneIngress,
            Spec::ZoneEgress(_) => Kind::ZoneEgress,
            Spec::ExternalService(_) => Kind::ExternalService,
            Spec::TrafficRoute(_) => Kind::TrafficRoute,
            Spec::Policy(policy) => policy.kind,
            Spec::Legacy(policy) => policy.kind,
            Spec::Other { kind, .. } => *kind,
        }
    }

    /// What it is called everywhere, without a section.
    pub fn id(&self) -> ResourceId {
        let Meta { mesh, name: _, labels: _, created: _, source: _ } = &self.meta;
        ResourceId {
            kind: self.kind(),
            mesh: mesh.as_str().into(),
            zone: self.meta.zone().into(),
            namespace: self.meta.namespace().into(),
            name: self.meta.display_name().into(),
            section: String::new(),
        }
    }

    /// `Kind mesh/name`, or `Kind name` where there is no mesh: how messages name it.
    pub fn describe(&self) -> String {
        let Meta { mesh, name, .. } = &self.meta;
        if mesh.as_str().is_empty() {
            format!("{} {name}", self.kind())
        } else {
            format!("{} {mesh}/{name}", self.kind())
        }
    }
}
