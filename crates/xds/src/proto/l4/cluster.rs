//! The destination behind a backendRef: how its endpoints are chosen, watched, limited and dialled.

use serde::Serialize;

use super::{ClientTls, OutsideTls, is_default, name_of};

/// A group of endpoints that offer the same destination.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Unique in its proxy.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How long establishing a connection to an endpoint may take, in milliseconds; 0 is the default of 5000.
    #[prost(uint64, tag = "2")]
    pub connect_timeout_ms: u64,
    /// Why the endpoints of this cluster cannot be dialled by this proxy, e.g. because TLS is required; empty: they can.
    #[prost(string, tag = "3")]
    pub undialable: String,
    /// How one of its endpoints is chosen; absent: round robin.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<Balancing>,
    /// How many connections to its endpoints may live at once; 0: no limit. What is above is refused at once.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_connections: u32,
    /// How many connections to its endpoints may be on the way to being established at once; 0: no limit.
    #[prost(uint32, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_pending_connections: u32,
    /// How its endpoints are checked; absent: they are not, and count as healthy.
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// When an endpoint that fails connections is left out for a while; absent: never.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier: Option<OutlierDetection>,
    /// The header that is written to an endpoint first, to say who the client is.
    #[prost(enumeration = "ProxyProtocol", tag = "9")]
    #[serde(serialize_with = "name_of::<_, ProxyProtocol>", skip_serializing_if = "is_default")]
    pub proxy_protocol: i32,
    /// TCP keepalive on connections to endpoints; absent: off, as the kernel has it.
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// How long sent bytes may stay unacknowledged before the connection counts as broken (`TCP_USER_TIMEOUT`), in
    /// milliseconds; 0: as the kernel has it.
    #[prost(uint64, tag = "11")]
    #[serde(skip_serializing_if = "is_default")]
    pub user_timeout_ms: u64,
    /// A priority is left for the next one when fewer than this share of its endpoints are usable, in percent; 0: when
    /// none is.
    #[prost(uint32, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub failover_threshold_percent: u32,
    /// Below this share of healthy endpoints, in percent, all count as healthy, because so many failures at once
    /// rather speak of the checks; absent: 50, and 0: never.
    #[prost(uint32, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic_threshold_percent: Option<u32>,
    /// Refuses connections below the panic threshold, instead of sending them to endpoints that failed.
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "is_default")]
    pub fail_on_panic: bool,
    /// TLS that connections to endpoints begin with; absent: none.
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// Dials the original destination of a connection that was redirected, instead of endpoints.
    #[prost(bool, tag = "16")]
    #[serde(skip_serializing_if = "is_default")]
    pub original_destination: bool,
    /// The IP address that is dialled from; empty: as the kernel has it.
    #[prost(string, tag = "17")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_address: String,
    /// TLS to a service outside the mesh that connections to endpoints begin with; absent: none. Not with `tls`.
    #[prost(message, optional, tag = "18")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_tls: Option<OutsideTls>,
}

/// How one endpoint of a cluster is chosen.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balancing {
    /// By which rule.
    #[prost(enumeration = "BalancingPolicy", tag = "1")]
    #[serde(serialize_with = "name_of::<_, BalancingPolicy>")]
    pub policy: i32,
    /// Least connections: how many endpoints are drawn, of which the one with the fewest connections is taken; 0 is the
    /// default of 2.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub choice_count: u32,
    /// Ring hash: how many places the ring has at least; 0: no bound, and 128 for each unit of weight.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub min_ring_size: u32,
    /// Ring hash: how many places the ring has at most; 0 is the default of 65536.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_ring_size: u32,
    /// Maglev: how many places the table has, a prime; 0 is the default of 65537.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub table_size: u32,
    /// How long the share of an endpoint that is new, or healthy again, grows up to its weight, in milliseconds; 0: it
    /// has it at once. Not with a hash.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub slow_start_ms: u64,
}

/// By which rule an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum BalancingPolicy {
    /// In turn, by weight.
    RoundRobin = 0,
    /// The one with the fewest connections, of a few that are drawn.
    LeastConnections = 1,
    /// At random, by weight.
    Random = 2,
    /// By the client's address, on a ring of hashes (ketama).
    RingHash = 3,
    /// By the client's address, in a Maglev table.
    Maglev = 4,
}

/// How the endpoints of a cluster are checked: with connections that the proxy opens itself.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// The time between two checks of one endpoint, in milliseconds; never 0.
    #[prost(uint64, tag = "1")]
    pub interval_ms: u64,
    /// How long one check may take, in milliseconds; never 0.
    #[prost(uint64, tag = "2")]
    pub timeout_ms: u64,
    /// An endpoint is unhealthy after so many failed checks in a row; never 0.
    #[prost(uint32, tag = "3")]
    pub unhealthy_threshold: u32,
    /// An endpoint is healthy again after so many good checks in a row; never 0.
    #[prost(uint32, tag = "4")]
    pub healthy_threshold: u32,
    /// The first check happens at a random time within so many milliseconds.
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub initial_jitter_ms: u64,
    /// A random time of up to so many milliseconds is added to each interval.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_jitter_ms: u64,
    /// A random time of up to this share of the interval, in percent, is added to each interval.
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_jitter_percent: u32,
    /// What is sent once connected; empty: nothing, connecting is the check.
    #[prost(bytes = "vec", tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub send: Vec<u8>,
    /// What must come back: each of these, in this order, with anything between them; none: nothing is read.
    #[prost(bytes = "vec", repeated, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub receive: Vec<Vec<u8>>,
}

/// When an endpoint that fails connections of clients is left out for a while.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// How often ejected endpoints are looked at, to be let in again, in milliseconds; never 0.
    #[prost(uint64, tag = "1")]
    pub interval_ms: u64,
    /// How long an endpoint is left out, times the number of times that it already was, in milliseconds; never 0.
    #[prost(uint64, tag = "2")]
    pub base_ejection_ms: u64,
    /// How many endpoints of the cluster may be left out at once, in percent. One always may, the last one never.
    #[prost(uint32, tag = "3")]
    pub max_ejection_percent: u32,
    /// An endpoint is left out after so many failures in a row (connects that failed or timed out, and connections that
    /// it reset before it sent a byte); 0: failures in a row do not count.
    #[prost(uint32, tag = "4")]
    pub consecutive_failures: u32,
}

/// The header that tells an endpoint who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum ProxyProtocol {
    /// None: the endpoint sees the proxy's address.
    None = 0,
    /// Version 1: one line of text.
    V1 = 1,
    /// Version 2: binary.
    V2 = 2,
}

/// TCP keepalive on connections to endpoints.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Keepalive {
    /// The first probe is sent after so many milliseconds without traffic; 0: as the kernel has it.
    #[prost(uint64, tag = "1")]
    pub idle_ms: u64,
    /// The time between probes that are not answered, in milliseconds; 0: as the kernel has it.
    #[prost(uint64, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_ms: u64,
    /// The connection is broken after so many unanswered probes; 0: as the kernel has it.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub probes: u32,
}
