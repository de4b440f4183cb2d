//! What one proxy must do. No word of any proxy's own dialect in it.
//!
//! Every value that an operator could ask "why?" about carries its [`PolicyOrigin`], and every backend that cannot be
//! used keeps its place with the reason.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::topology::{Protocol, TlsMode};
use model::{Kind, ProxyKey, ResourceId, Tags};
use serde::Serialize;

/// The plan of one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whose plan it is.
    pub proxy: ProxyKey,
    /// The service that the proxy stands for; empty where nothing says.
    pub service: String,
    /// The zone that the proxy is in; empty where nothing says.
    pub zone: String,
    /// The address of the proxy.
    pub address: String,
    /// How proxies of the mesh trust each other; absent: they speak plaintext.
    pub mtls: Option<Mtls>,
    /// What the proxy's application offers, in the order of the Dataplane.
    pub inbounds: Vec<Inbound>,
    /// What the proxy's application dials, in the order of the Dataplane.
    pub outbounds: Vec<Outbound>,
    /// What the proxy offers to the outside as a builtin gateway, by port.
    pub gateway_listeners: Vec<GatewayListener>,
    /// Every destination that some backend of the plan names, by cluster name.
    pub clusters: BTreeMap<String, Cluster>,
    /// What became of each route policy that speaks about this proxy, sorted by policy.
    pub routes: Vec<RouteStatus>,
    /// What the operator should know about this proxy, in words; none of it stopped anything.
    pub warnings: Vec<String>,
}

/// How proxies of a mesh trust each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// The mesh.
    pub mesh: String,
    /// Who issues the certificates: the name of the mesh's mTLS backend, or of a MeshIdentity.
    pub backend: String,
    /// Whether proxies accept plaintext too, while the mesh moves over.
    pub permissive: bool,
    /// Whether proxies have workload identities, which replace the mesh CA (spec 04 §8.2).
    pub workload_identity: bool,
}

/// One port that the application offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// The listener's name, e.g. `inbound:10.0.0.7:10080`.
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// The address that the application listens on.
    pub service_address: String,
    /// The port that the application listens on.
    pub service_port: u16,
    /// The service that the inbound stands for, as its tag or name says; may be empty.
    pub service: String,
    /// What it speaks.
    pub protocol: Protocol,
}

/// One destination that the application dials.
#[derive(Clone, Debug, PartialEq)]
pub struct Outbound {
    /// The listener's name: `outbound:<ip>:<port>`, or a KRI under unified naming (spec 04 §5.4).
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// Whether the proxy binds the port itself; not with transparent proxying.
    pub bind: bool,
    /// What is dialled.
    pub destination: Destination,
    /// The name in statistics: the service tag, the destination name, or the KRI.
    pub stat_name: String,
    /// Whether the listener is named by the KRI of what is dialled (unified naming, spec 04 §5.4).
    pub unified: bool,
    /// What the listener is marked with: the tags of the outbound, or the unified name (spec 04 §5.4).
    pub marks: Tags,
    /// Whether Kafka requests are counted on the way (2.6 to 2.14, spec 04 §6).
    pub counts_kafka: bool,
    /// What the destination speaks (spec 04 §3).
    pub protocol: Protocol,
    /// Who decides where its connections go (spec 04 §4).
    pub owner: Owner,
    /// Where its connections go, in the order of the backendRefs.
    pub split: Vec<Backend>,
    /// Why connections are refused, in words, when no backend of the split takes any.
    pub refusal: Option<String>,
    /// Whether the reference gives this outbound no listener at all, so that the connection may leave the mesh around
    /// the proxy (spec 04 §4.4). It is a listener that refuses everywhere else.
    pub reference_omits: bool,
    /// How its connections are treated.
    pub connections: ConnectionSettings,
    /// Every route policy that was considered for it and what became of it, most important first.
    pub considered: Vec<Considered>,
}

/// What an outbound dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A service of the tag-based model, with all tags of the outbound.
    Tags(Tags),
    /// A real service.
    Resource {
        /// The service and its port, as section the port's effective name.
        id: ResourceId,
        /// Its destination name (spec 04 §5.2), whatever the naming in use.
        name: String,
    },
}

/// Who decides where the connections of an outbound go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A MeshTCPRoute conf: the policies that were merged into it; the last one contributed the backendRefs.
    TcpRoute(Vec<PolicyOrigin>),
    /// No policy: connections go to what was dialled, by default.
    Default,
    /// A TrafficRoute (spec 04 §1.1).
    TrafficRoute(PolicyOrigin),
    /// MeshHTTPRoute policies, which own HTTP-like destinations. The split is theirs as far as TCP can say it: when a
    /// single rule catches every request. Otherwise the split is empty and [`Outbound::refusal`] says so.
    HttpRoute(Vec<PolicyOrigin>),
    /// An HTTP-like destination without any route: left to the HTTP default, which is the dialled service.
    HttpDefault,
}

/// The policy, and the place in it, that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyOrigin {
    /// The policy.
    pub policy: ResourceId,
    /// Its stored name, which differs from the display name in `policy` on synchronised copies.
    pub name: String,
    /// The index of the `to` item; absent where the policy has no list.
    pub item: Option<usize>,
    /// Where the policy was written: `file:line`; may be empty.
    pub source: Arc<str>,
}

/// One side of a split. Two backends may share a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The backendRef in words.
    pub reference: String,
    /// Its share, as given or 1; truncated to 32 bits where the profile does (spec 04 §7.2).
    pub weight: u32,
    /// What its share does.
    pub fate: Fate,
    /// The policy that named it; absent for the default backend.
    pub origin: Option<PolicyOrigin>,
}

/// What the share of a backend does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to a cluster, which may have no endpoints (then it is refused there).
    Routed {
        /// The key in [`Plan::clusters`].
        cluster: String,
    },
    /// It goes to the other backends.
    Spilled(Unusable),
    /// It is refused.
    Refused(Unusable),
}

/// Why a backend cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "camelCase")]
pub enum Unusable {
    /// Its weight is 0: it never gets a connection.
    ZeroWeight,
    /// No resource with that name, or with those labels, exists where the reference looks.
    NotFound {
        /// Where it looked, and what is near, in words.
        looked_for: String,
    },
    /// The resource exists, the port does not.
    NoSuchPort {
        /// What was asked for, and which ports there are.
        looked_for: String,
    },
    /// TCP is not routed to that protocol (spec 04 §7.1).
    Protocol {
        /// The protocol.
        protocol: String,
    },
    /// The destination exists, and nobody offers it now.
    NoEndpoints,
    /// The destination needs mTLS or a zone egress that the mesh does not have.
    NeedsMesh {
        /// What is missing.
        missing: String,
    },
}

/// What the share of a backend that cannot be used does: the label `meshtcp.io/on-unavailable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnavailable {
    /// What the reference does: a real reference that does not resolve spills, a tag reference keeps its share and
    /// refuses it.
    #[default]
    Reference,
    /// It always goes to the others.
    Spill,
    /// It is always refused.
    Refuse,
}

/// How the connections of a listener are treated; each value with the policy that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Closes a connection on which nothing moved for so long.
    pub idle_timeout: Option<Sourced<Duration>>,
    /// How many endpoints to try.
    pub max_connect_attempts: Option<Sourced<u32>>,
    /// How many connections may live at once.
    pub max_connections: Option<Sourced<u32>>,
    /// Where lines about finished connections go.
    pub access_logs: Vec<Sourced<AccessLog>>,
}

/// A value and the policy that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// The policy.
    pub origin: PolicyOrigin,
}

/// Where lines about finished connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// A file, or a TCP address.
    pub backend: LogBackend,
    /// How a line looks; absent: the default line.
    pub format: Option<LogFormat>,
}

/// A file, or a TCP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogBackend {
    /// A path.
    File(String),
    /// `host:port`.
    Tcp(String),
}

/// How an access log line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}

/// One listener of a builtin gateway: all hostnames on one port (spec 04 §12.2).
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayListener {
    /// `<gateway name>:<TCP|TLS>:<port>`.
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken on it.
    pub tls: bool,
    /// The name in statistics: the gateway dataplane's service.
    pub stat_name: String,
    /// What is served on it, by hostname, most exact first; for TCP one entry with the hostname `*`.
    pub hosts: Vec<GatewayHost>,
    /// How its connections are treated.
    pub connections: ConnectionSettings,
}

/// What a gateway listener serves under one hostname.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayHost {
    /// The hostname; `*` for every one.
    pub hostname: String,
    /// TLS settings; absent on TCP listeners.
    pub tls: Option<GatewayTls>,
    /// Where its connections go. TCP: sorted by cluster name (spec 04 §12.2). Empty without any rule.
    pub split: Vec<Backend>,
    /// Whether any rule speaks about it; without one it serves nothing (spec 04 §12.2).
    pub routed: bool,
    /// The policies whose rules made the split.
    pub origins: Vec<PolicyOrigin>,
}

/// TLS settings of a gateway host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// Who ends the TLS session; absent on cross-mesh listeners, which use the mesh identity.
    pub mode: Option<TlsMode>,
    /// Where the certificates come from: `secret`, `inline` or `file`, one entry a certificate.
    pub certificates: Vec<String>,
    /// Whether other meshes dial it, with mesh TLS.
    pub cross_mesh: bool,
}

/// A destination that some backend of the plan names.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its name (spec 04 §5).
    pub name: String,
    /// The service behind it: a tag value, or a destination name.
    pub service: String,
    /// Which sort of destination it is.
    pub kind: ClusterKind,
    /// The tags beyond `kuma.io/service` that its endpoints must have.
    pub subset: Tags,
    /// TLS to its endpoints, within the mesh; absent: plaintext.
    pub tls: Option<MeshTls>,
    /// How long establishing a connection may take; absent: the data plane's default of 5 s.
    pub connect_timeout: Option<Sourced<Duration>>,
    /// Its endpoints, sorted by priority, zone, address and port.
    pub endpoints: Vec<Endpoint>,
    /// How a proxy that needs no zone egress may reach a destination outside the mesh, where the mesh has no egress that
    /// could carry it; absent: through `endpoints` only.
    pub direct: Option<DirectAccess>,
    /// The real service behind it, as `Kind mesh/name`; absent for tags.
    pub resource: Option<String>,
}

/// Where a destination outside the mesh really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectAccess {
    /// Its endpoints, sorted by priority, address and port.
    pub endpoints: Vec<Endpoint>,
    /// TLS that it wants.
    pub tls: Option<ExternalTls>,
}

/// Which sort of destination a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterKind {
    /// Proxies of the mesh.
    Mesh,
    /// Proxies of the mesh, dialled by a builtin gateway; `legacy` by tags.
    Gateway {
        /// Whether the backendRef was a tag reference.
        legacy: bool,
    },
    /// Outside the mesh, through the zone egress.
    Egress {
        /// What the outside speaks.
        protocol: Protocol,
    },
    /// Outside the mesh, dialled directly by this proxy.
    External {
        /// What it speaks.
        protocol: Protocol,
        /// TLS that this proxy originates.
        tls: Option<ExternalTls>,
    },
}

/// TLS that this proxy originates to a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalTls {
    /// The SNI to send, and the name to verify.
    pub server_name: String,
    /// Whether the certificate is verified.
    pub verify: bool,
}

/// TLS to proxies of a mesh (spec 04 §8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshTls {
    /// The SNI (spec 04 §8.3).
    pub sni: String,
    /// The SPIFFE ids that endpoints may show, sorted.
    pub identities: Vec<String>,
    /// The mesh whose CA they must be signed by.
    pub mesh: String,
    /// Whether proxies have workload identities, which replaces the mesh CA (spec 04 §8.2).
    pub workload_identity: bool,
    /// Whether the endpoints that are no zone proxies accept plaintext too.
    pub optional: bool,
}

/// One address that takes connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Lower is tried first.
    pub priority: u32,
    /// The zone that it is in, where known.
    pub zone: Option<String>,
    /// An IP address, a DNS name, or a `unix://` path.
    pub address: String,
    /// Its port.
    pub port: u32,
    /// Its share among endpoints of one priority.
    pub weight: u32,
    /// Its tags, `kuma.io/service` included.
    pub tags: Tags,
    /// The labels of its dataplane (2.14+).
    pub labels: model::Labels,
    /// Which resource offers it, as `Kind mesh/name`.
    pub offered_by: String,
    /// What stands at the address.
    pub via: Via,
}

/// What stands at the address of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// The destination itself: the proxy beside the application, or a service outside the mesh.
    #[default]
    Direct,
    /// The ingress of another zone, which routes by SNI.
    ZoneIngress,
    /// The egress of this zone, which routes by SNI.
    ZoneEgress,
}

/// What became of one route policy on one outbound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The policy and its item.
    pub origin: PolicyOrigin,
    /// What became of it here.
    pub outcome: Outcome,
}

/// What became of a route policy, for one outbound or for the whole proxy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It decides.
    Applied,
    /// A more important policy decides instead.
    Shadowed {
        /// That policy.
        by: PolicyOrigin,
    },
    /// It has no effect.
    Ignored(IgnoredBecause),
}

/// Why a route policy has no effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IgnoredBecause {
    /// A MeshHTTPRoute owns the HTTP-like destination.
    HttpRouteWins {
        /// One of the MeshHTTPRoutes.
        route: PolicyOrigin,
    },
    /// A TrafficRoute keeps the proxy (spec 04 §1.1).
    TrafficRouteStays,
    /// A MeshTCPRoute took the whole proxy over (spec 06 no. 7).
    TcpRouteTookOver,
    /// No outbound of the proxy dials its destination.
    NoSuchOutbound,
    /// Its destination does not resolve.
    DestinationNotFound {
        /// What it looked for.
        looked_for: String,
    },
    /// The profile does not route that kind of destination.
    KindUnknownToProfile,
    /// It is a shadow policy.
    Shadow,
    /// It has no `to` items.
    NothingToSay,
}

/// What became of one route policy for one proxy: the truth in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStatus {
    /// The policy.
    pub policy: PolicyOrigin,
    /// Its kind.
    pub kind: Kind,
    /// What became of it: applied if it decides at least one outbound or gateway listener.
    pub outcome: Outcome,
    /// The outbounds and gateway listeners that it decides, by name.
    pub decides: Vec<String>,
    /// Its backendRefs that cannot be used, with the reason.
    pub unresolved: Vec<(String, Unusable)>,
}

impl Backend {
    /// The cluster that its share goes to.
    pub fn cluster(&self) -> Option<&str> {
        match &self.fate {
            Fate::Routed { cluster } => Some(cluster),
            Fate::Spilled(_) | Fate::Refused(_) => None,
        }
    }
}

/// The share of each backend of a split, as a fraction of all connections, in the order of the split. A share of a
/// spilled or zero-weight backend is 0; what is refused counts with its weight. All zero when nothing is left.
pub fn shares(split: &[Backend]) -> Vec<f64> {
    let weight = |backend: &Backend| match backend.fate {
        Fate::Routed { .. } | Fate::Refused(_) => u64::from(backend.weight),
        Fate::Spilled(_) => 0,
    };
    let sum: u64 = split.iter().map(weight).sum();
    split.iter().map(|backend| if sum == 0 { 0.0 } else { weight(backend) as f64 / sum as f64 }).collect()
}
