//! Our own L4 messages: one per thing the operator named, so that a change is as small as what was changed.
//!
//! | message | named after | changes when |
//! |---|---|---|
//! | [`Listener`] | the proxy's inbound, outbound or gateway listener | an address, port or limit changes |
//! | [`Route`] | the listener that uses it | a weight, a backendRef or the winning policy changes |
//! | [`Cluster`] | the destination behind a backendRef | connect settings change |
//! | [`Endpoints`] | their cluster | a dataplane comes, goes or turns unhealthy |
//! | [`Names`] | nothing: there is one | a service comes, goes, or gets another host name |
//! | [`Secret`] | what it proves, or who is believed by it | a certificate is renewed, an authority comes or goes |
//!
//! The other way goes a [`TrafficReport`]: what connections did.
//!
//! They are protobuf with additive evolution: an unknown field is ignored, a missing one is its default.

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
pub use traffic::{Refused, TrafficReceived, TrafficReport, TrafficRow};

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

/// Where a proxy accepts connections.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Unique in its proxy, e.g. `outbound:127.0.0.1:13306`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Which way connections flow.
    #[prost(enumeration = "Direction", tag = "2")]
    pub direction: i32,
    /// The IP address to bind; captured: the original destination that it is for.
    #[prost(string, tag = "3")]
    pub address: String,
    /// The port to bind, 1 to 65535; captured: the port of the original destination, 0 for any.
    #[prost(uint32, tag = "4")]
    pub port: u32,
    /// What a client dials here, in the operator's words: a `kuma.io/service` value or a service's KRI.
    #[prost(string, tag = "5")]
    pub destination: String,
    /// The route of every connection, or of those that no `server_names` entry claims; empty: refuse those.
    #[prost(string, tag = "6")]
    pub route: String,
    /// Routes by TLS server name (gateway listeners with TLS passthrough, zone proxies); most exact name first.
    #[prost(message, repeated, tag = "7")]
    pub server_names: Vec<ServerName>,
    /// How many connections may live at once; 0: no limit of its own.
    #[prost(uint32, tag = "8")]
    pub max_connections: u32,
    /// Closes a connection on which nothing moved for so long, in milliseconds; 0: never.
    #[prost(uint64, tag = "9")]
    pub idle_timeout_ms: u64,
    /// How many endpoints to try before a connection is refused; 0 counts as 1.
    #[prost(uint32, tag = "10")]
    pub max_connect_attempts: u32,
    /// Where lines about finished connections go, besides the proxy's own connection log.
    #[prost(message, repeated, tag = "11")]
    pub access_logs: Vec<AccessLog>,
    /// Closes a connection that is this old, in milliseconds since it was accepted; 0: never.
    #[prost(uint64, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_age_ms: u64,
    /// Whether every connection begins with a PROXY protocol header (v1 or v2), which names the client; one that does
    /// not is refused.
    #[prost(bool, tag = "13")]
    #[serde(skip_serializing_if = "is_default")]
    pub accept_proxy_protocol: bool,
    /// How TLS of clients is ended; absent: it is passed on as it is.
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Who may connect over mesh TLS; absent: whoever gets as far.
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How connections come to it.
    #[prost(enumeration = "Arrival", tag = "16")]
    #[serde(serialize_with = "name_of::<_, Arrival>", skip_serializing_if = "is_default")]
    pub arrival: i32,
    /// Captured: how many leading bits of an original destination must be those of `address`; absent: all of them.
    #[prost(uint32, optional, tag = "17")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u32>,
    /// Routes for some connections, in the order in which they are asked: before `server_names` and `route`.
    #[prost(message, repeated, tag = "30")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Where a copy of what clients send goes; absent: nowhere.
    #[prost(message, optional, tag = "31")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Which way its connections take, where the proxy may choose.
    #[prost(enumeration = "DataPath", tag = "60")]
    #[serde(serialize_with = "name_of::<_, DataPath>", skip_serializing_if = "is_default")]
    pub data_path: i32,
}

/// Which way connections take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[repr(i32)]
pub enum DataPath {
    /// Straight to the endpoint where that can be, else through the proxy.
    Auto = 0,
    /// Through the proxy.
    Relay = 1,
    /// As `Auto`, and the proxy warns when it cannot.
    Kernel = 2,
}

/// How connections come to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[repr(i32)]
pub enum Arrival {
    /// Its address and port are opened.
    Opened = 0,
    /// It is not opened. Of the connections that the kernel redirects to another listener of the same proxy and direction, those
    /// are its own whose original destination it is for.
    Captured = 1,
    /// Its address and port are opened, and the kernel redirects connections there. Its routes are for those whose original
    /// destination no captured listener is for; who dials it directly is refused.
    Redirected = 2,
}

/// Which way the connections of a listener flow.
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

/// A route for one TLS server name, and how TLS of those who ask for it ends.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerName {
    /// `*`, `*.example.com` or `db.example.com`, in lower case.
    #[prost(string, tag = "1")]
    pub pattern: String,
    /// The name of the [`Route`].
    #[prost(string, tag = "2")]
    pub route: String,
    /// How their TLS is ended here; absent: as the listener says.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Who may connect over that; absent: whoever gets as far.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

/// Where access log lines go.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// A file that lines are appended to; empty when `tcp_address` is set.
    #[prost(string, tag = "1")]
    pub file: String,
    /// `host:port` that lines are sent to over TCP.
    #[prost(string, tag = "2")]
    pub tcp_address: String,
    /// The line as an Envoy-style format string; empty with `json_format` empty too: the default line.
    #[prost(string, tag = "3")]
    pub plain_format: String,
    /// The line as a JSON object whose values are format strings.
    #[prost(message, repeated, tag = "4")]
    pub json_format: Vec<JsonField>,
    /// The policy that asked for it.
    #[prost(message, optional, tag = "5")]
    pub origin: Option<Origin>,
}

/// One member of a JSON access log line.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonField {
    /// The member's key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The member's format string.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// How the connections of a listener are split, and who said so.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The name that listeners use.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The policy and rule that decided; absent when no policy did and connections go to the dialled service.
    #[prost(message, optional, tag = "2")]
    pub origin: Option<Origin>,
    /// The backends in the order of their backendRefs. None with a weight above 0: connections are refused.
    #[prost(message, repeated, tag = "3")]
    pub backends: Vec<Backend>,
    /// Why connections are refused when there is no backend to choose, in words.
    #[prost(string, tag = "4")]
    pub refusal: String,
    /// Whether a client keeps its backend.
    #[prost(enumeration = "Sticky", tag = "5")]
    #[serde(serialize_with = "name_of::<_, Sticky>", skip_serializing_if = "is_default")]
    pub sticky: i32,
    /// What a change of the weights does to connections that live.
    #[prost(enumeration = "Existing", tag = "6")]
    #[serde(serialize_with = "name_of::<_, Existing>", skip_serializing_if = "is_default")]
    pub existing: i32,
    /// Whether a connect that failed may be tried at another backend of the split, before any byte was sent. The first
    /// choice stays in the connection log.
    #[prost(bool, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub retry_other_side: bool,
    /// How long the connections of a backend that was removed may go on, in milliseconds; 0: what
    /// `existing` says.
    #[prost(uint64, tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub drain_grace_ms: u64,
}

/// Whether a client keeps its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum Sticky {
    /// Every connection is drawn anew.
    None = 0,
    /// Connections from one IP address go to one backend, as long as the weights allow it: when they change, only
    /// clients that must move do.
    SourceIp = 1,
}

/// What a change of the weights does to connections that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum Existing {
    /// Nothing: they stay where they are.
    Keep = 0,
    /// As many as a backend has above its new share are closed, idle ones first, a few at a time.
    DrainExcess = 1,
    /// Those that would go to another backend now, by the draw that they were born with, are closed.
    Close = 2,
}

/// The policy that a value comes from.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The kind of the policy, e.g. `MeshTCPRoute`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its mesh.
    #[prost(string, tag = "2")]
    pub mesh: String,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Where in the policy, e.g. `to[0].rules[0]`.
    #[prost(string, tag = "4")]
    pub rule: String,
}

/// One side of a split.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// The backendRef in words, e.g. `MeshServiceSubset redis version=v2`.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// Its share is `weight` over the sum of weights; 0 never gets a connection.
    #[prost(uint32, tag = "2")]
    pub weight: u32,
    /// The name of the [`Cluster`]; empty: this share is refused, for the reason in `unavailable`.
    #[prost(string, tag = "3")]
    pub cluster: String,
    /// Why this side refuses its share, in words; empty when it has a cluster.
    #[prost(string, tag = "4")]
    pub unavailable: String,
    /// What its share does while its cluster has no endpoint that is usable: none at all, or none that is healthy.
    #[prost(enumeration = "WhenDown", tag = "5")]
    #[serde(serialize_with = "name_of::<_, WhenDown>", skip_serializing_if = "is_default")]
    pub when_down: i32,
}

/// What the share of a backend does while no endpoint of its cluster is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum WhenDown {
    /// It is refused.
    Refuse = 0,
    /// It goes to the other backends, by their weights.
    Spill = 1,
}

/// The endpoints of one cluster.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The cluster that they belong to.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// The endpoints, sorted by priority, zone, address and port.
    #[prost(message, repeated, tag = "2")]
    pub endpoints: Vec<Endpoint>,
}

/// One address that takes connections.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// An IP address, or a host name to resolve.
    #[prost(string, tag = "1")]
    pub address: String,
    /// The port, 1 to 65535.
    #[prost(uint32, tag = "2")]
    pub port: u32,
    /// Its share among the endpoints of the same priority; 0 counts as 1.
    #[prost(uint32, tag = "3")]
    pub weight: u32,
    /// Lower is tried first; higher ones only when no lower one is usable.
    #[prost(uint32, tag = "4")]
    pub priority: u32,
    /// The zone, where known.
    #[prost(string, tag = "5")]
    pub zone: String,
}

/// Whether a field says nothing: such fields are left out of the JSON form.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes the number of an enumeration as its name; a number without one stays a number.
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
    /// `outbound`, `inbound` or `gateway`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Gateway => "gateway",
        }
    }
}
