//! Own L4 messages: one per object that the operator names, so that an update is as small as the change.
//!
//! | message | named after | changes when |
//! |---|---|---|
//! | [`Listener`] | the proxy's inbound, outbound or gateway listener | an address, port or limit changes |
//! | [`Route`] | the listener that uses it | a weight, a backendRef or the winning policy changes |
//! | [`Cluster`] | the destination behind a backendRef | connect settings change |
//! | [`Endpoints`] | their cluster | a dataplane comes, goes or turns unhealthy |
//! | [`Names`] | constant: there is only one | a service comes, goes, or gets another host name |
//! | [`Secret`] | the identity or the trust that it holds | a certificate is renewed, an authority comes or goes |
//!
//! [`TrafficReport`]s with the connection counters go the other way, from the proxy to the control plane.
//!
//! The messages evolve additively as protobuf: an unknown field is ignored, a missing one has its default.

mod cluster;
mod matches;
mod mirror;
mod names;
mod outside;
mod permissions;
mod secret;
mod tls;
mod traffic;

pub use cluster::{
    Balancing, BalancingPolicy, Cluster, HealthCheck, Keepalive, OutlierDetection, ProxyProtocol,
};
pub use matches::{Network, RouteMatch};
pub use mirror::Mirror;
pub use names::{HostName, Names};
pub use outside::OutsideTls;
pub use permissions::{Peer, PeerCondition, PeerFact, PermissionRule, Permissions};
pub use secret::{AGENT_TRUST, Certificate, Secret, Trust, TrustDomain, agent_certificate, id_of};
pub use tls::{ClientTls, NamePattern, ServerNameOfZone, ServerTls, TlsTerms, TlsVersion};
pub use traffic::{
    OutboundPath, OutboundPaths, Refused, TakenPath, TrafficReceived, TrafficReport, TrafficRow,
};

use serde::{Serialize, Serializer};

macro_rules! named {
    ($($message:ident),*) => { $(
        impl prost::Name for $message {
            const NAME: &'static str = stringify!($message);
            const PACKAGE: &'static str = "meshtcp.l4.v1";
            fn full_name() -> String { concat!("meshtcp.l4.v1.", stringify!($message)).into() }
            fn type_url() -> String { concat!("type.googleapis.com/meshtcp.l4.v1.", stringify!($message)).into() }
        }
    )* };
}
named!(Listener, Route, Cluster, Endpoints, Names, Secret);

/// Address at which a proxy accepts connections, with their limits and routes.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Name of the listener, unique in its proxy, e.g. `outbound:127.0.0.1:13306`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Direction of the connections.
    #[prost(enumeration = "Direction", tag = "2")]
    pub direction: i32,
    /// IP address to bind; captured: the original destination that the listener is for.
    #[prost(string, tag = "3")]
    pub address: String,
    /// Port to bind, 1 to 65535; captured: port of the original destination, 0 for any.
    #[prost(uint32, tag = "4")]
    pub port: u32,
    /// Destination that clients dial here, in the operator's words: a `kuma.io/service` value or a service's KRI.
    #[prost(string, tag = "5")]
    pub destination: String,
    /// Route of connections that no `server_names` entry claims; empty: they are refused.
    #[prost(string, tag = "6")]
    pub route: String,
    /// Routes by TLS server name (gateway listeners with TLS passthrough, zone proxies); most exact name first.
    #[prost(message, repeated, tag = "7")]
    pub server_names: Vec<ServerName>,
    /// Limit on live connections; 0: no limit of its own.
    #[prost(uint32, tag = "8")]
    pub max_connections: u32,
    /// Idle timeout, in milliseconds, after which a connection without traffic is closed; 0: no limit.
    #[prost(uint64, tag = "9")]
    pub idle_timeout_ms: u64,
    /// Maximum number of endpoints tried before a connection is refused; 0 means 1.
    #[prost(uint32, tag = "10")]
    pub max_connect_attempts: u32,
    /// Destinations of access log lines about finished connections, besides the proxy's own connection log.
    #[prost(message, repeated, tag = "11")]
    pub access_logs: Vec<AccessLog>,
    /// Maximum age of a connection, in milliseconds since it was accepted; 0: no limit.
    #[prost(uint64, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_age_ms: u64,
    /// `true`: every connection begins with a PROXY protocol header (v1 or v2), which names the client; a connection
    /// without one is refused.
    #[prost(bool, tag = "13")]
    #[serde(skip_serializing_if = "is_default")]
    pub accept_proxy_protocol: bool,
    /// TLS termination for clients; absent: TLS is passed through.
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Permissions of peers over mesh TLS; absent: every connection that passes the other checks is allowed.
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Way in which connections arrive at the listener.
    #[prost(enumeration = "Arrival", tag = "16")]
    #[serde(serialize_with = "name_of::<_, Arrival>", skip_serializing_if = "is_default")]
    pub arrival: i32,
    /// Captured: number of leading bits of an original destination that must match `address`; absent: all of them.
    #[prost(uint32, optional, tag = "17")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u32>,
    /// Routes for connections that match conditions, in the order of evaluation: before `server_names` and `route`.
    #[prost(message, repeated, tag = "30")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Mirror that receives a copy of the bytes that clients send; absent: none.
    #[prost(message, optional, tag = "31")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Data path of the connections, where the proxy may choose.
    #[prost(enumeration = "DataPath", tag = "60")]
    #[serde(serialize_with = "name_of::<_, DataPath>", skip_serializing_if = "is_default")]
    pub data_path: i32,
}

/// Data path of connections: through the proxy, or directly in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[repr(i32)]
pub enum DataPath {
    /// Directly to the endpoint where possible, else through the proxy.
    Auto = 0,
    /// Through the proxy.
    Relay = 1,
    /// Same as `Auto`, with a warning by the proxy where the direct path is not possible.
    Kernel = 2,
}

/// Way in which connections arrive at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[repr(i32)]
pub enum Arrival {
    /// The proxy listens on its address and port.
    Opened = 0,
    /// Not opened. Of the connections that the kernel redirects to another listener of the same proxy and direction, it
    /// takes those with a matching original destination.
    Captured = 1,
    /// The proxy listens on its address and port, and the kernel redirects connections there. Its routes are for
    /// connections whose original destination no captured listener matches; connections that dial it directly are
    /// refused.
    Redirected = 2,
}

/// Direction of the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[repr(i32)]
pub enum Direction {
    /// From the local application into the mesh.
    Outbound = 0,
    /// From the mesh to the local application.
    Inbound = 1,
    /// From outside into the mesh, at a builtin gateway.
    Gateway = 2,
}

/// Route for one TLS server name, and the termination of its TLS.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerName {
    /// `*`, `*.example.com` or `db.example.com`, in lower case.
    #[prost(string, tag = "1")]
    pub pattern: String,
    /// Name of the [`Route`].
    #[prost(string, tag = "2")]
    pub route: String,
    /// TLS termination for this server name; absent: that of the listener.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Permissions of peers over that TLS; absent: every connection that passes the other checks is allowed.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

/// Destination and format of access log lines.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// File that lines are appended to; empty if `tcp_address` is set.
    #[prost(string, tag = "1")]
    pub file: String,
    /// `host:port` that lines are sent to over TCP.
    #[prost(string, tag = "2")]
    pub tcp_address: String,
    /// Envoy-style format string of a line; empty, with `json_format` empty too: the default line.
    #[prost(string, tag = "3")]
    pub plain_format: String,
    /// Members of a JSON line, whose values are format strings.
    #[prost(message, repeated, tag = "4")]
    pub json_format: Vec<JsonField>,
    /// Policy that configured it.
    #[prost(message, optional, tag = "5")]
    pub origin: Option<Origin>,
}

/// One member of a JSON access log line.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonField {
    /// Key of the member.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Format string of the member.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Split of the connections of a listener, and its origin.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Name of the route, which listeners refer to.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Policy and rule that decided; absent: none did, and connections go to the dialled service.
    #[prost(message, optional, tag = "2")]
    pub origin: Option<Origin>,
    /// Backends in the order of their backendRefs. None with a weight above 0: connections are refused.
    #[prost(message, repeated, tag = "3")]
    pub backends: Vec<Backend>,
    /// Reason, in words, why connections are refused while there is no backend to choose.
    #[prost(string, tag = "4")]
    pub refusal: String,
    /// Stickiness of a client to its backend.
    #[prost(enumeration = "Sticky", tag = "5")]
    #[serde(serialize_with = "name_of::<_, Sticky>", skip_serializing_if = "is_default")]
    pub sticky: i32,
    /// Effect of changed weights on live connections.
    #[prost(enumeration = "Existing", tag = "6")]
    #[serde(serialize_with = "name_of::<_, Existing>", skip_serializing_if = "is_default")]
    pub existing: i32,
    /// `true`: a failed connect may be retried at another backend of the split, before any byte was sent. The first
    /// choice stays in the connection log.
    #[prost(bool, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub retry_other_side: bool,
    /// Drain time for the connections of a removed backend, in milliseconds; 0: as `existing` says.
    #[prost(uint64, tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub drain_grace_ms: u64,
}

/// Stickiness of a client to its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum Sticky {
    /// Every connection is drawn anew.
    None = 0,
    /// Connections from one IP address go to one backend as long as the weights allow it: when they change, only the
    /// clients that must move do.
    SourceIp = 1,
}

/// Effect of changed weights on live connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum Existing {
    /// None: connections stay where they are.
    Keep = 0,
    /// Connections of a backend in excess of its new share are closed, idle ones first, a few at a time.
    DrainExcess = 1,
    /// Connections that would go to another backend now, by their original draw, are closed.
    Close = 2,
}

/// Policy that a value comes from.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Kind of the policy, e.g. `MeshTCPRoute`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Mesh of the policy.
    #[prost(string, tag = "2")]
    pub mesh: String,
    /// Name of the policy.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Position in the policy, e.g. `to[0].rules[0]`.
    #[prost(string, tag = "4")]
    pub rule: String,
}

/// One side of a split.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// backendRef in words, e.g. `MeshServiceSubset redis version=v2`.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// Weight; the share is `weight` over the sum of weights, and 0 never gets a connection.
    #[prost(uint32, tag = "2")]
    pub weight: u32,
    /// Name of the [`Cluster`]; empty: this share is refused, for the reason in `unavailable`.
    #[prost(string, tag = "3")]
    pub cluster: String,
    /// Reason, in words, why this side refuses its share; empty if it has a cluster.
    #[prost(string, tag = "4")]
    pub unavailable: String,
    /// Handling of its share while its cluster has no usable endpoint: none at all, or none that is healthy.
    #[prost(enumeration = "WhenDown", tag = "5")]
    #[serde(serialize_with = "name_of::<_, WhenDown>", skip_serializing_if = "is_default")]
    pub when_down: i32,
}

/// Handling of the share of a backend while no endpoint of its cluster is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum WhenDown {
    /// The share is refused.
    Refuse = 0,
    /// The share goes to the other backends, by their weights.
    Spill = 1,
}

/// Endpoints of one cluster.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// Name of the cluster that they belong to.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// Endpoints, sorted by priority, zone, address and port.
    #[prost(message, repeated, tag = "2")]
    pub endpoints: Vec<Endpoint>,
}

/// One address that takes connections.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// IP address, or a host name to resolve.
    #[prost(string, tag = "1")]
    pub address: String,
    /// Port, 1 to 65535.
    #[prost(uint32, tag = "2")]
    pub port: u32,
    /// Weight among the endpoints of the same priority; 0 means 1.
    #[prost(uint32, tag = "3")]
    pub weight: u32,
    /// Priority; lower is tried first, a higher one only while no lower one is usable.
    #[prost(uint32, tag = "4")]
    pub priority: u32,
    /// Zone; empty: unknown.
    #[prost(string, tag = "5")]
    pub zone: String,
}

/// Returns `true` if a field has its default: such fields are left out of the JSON form.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Serializes the number of an enumeration as its name; a number without a name stays a number.
fn name_of<S: Serializer, E: TryFrom<i32> + Serialize>(
    number: &i32,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match E::try_from(*number) {
        Ok(value) => value.serialize(serializer),
        Err(_) => number.serialize(serializer),
    }
}

impl Direction {
    /// Returns `outbound`, `inbound` or `gateway`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Gateway => "gateway",
        }
    }
}
