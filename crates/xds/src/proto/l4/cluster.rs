//! Destination behind a backendRef: load balancing, health checks, limits and connect settings of its endpoints.

use serde::Serialize;

use super::{ClientTls, OutsideTls, is_default, name_of};

/// Group of endpoints that offer the same destination.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Name of the cluster, unique in its proxy.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Connect timeout of one endpoint, in milliseconds; 0: the default of 5000.
    #[prost(uint64, tag = "2")]
    pub connect_timeout_ms: u64,
    /// Reason why this proxy cannot dial the endpoints of this cluster, e.g. because TLS is required; empty: it can.
    #[prost(string, tag = "3")]
    pub undialable: String,
    /// Load balancing among its endpoints; absent: round robin.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<Balancing>,
    /// Limit on live connections to its endpoints; 0: no limit. Connections above it are refused at once.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_connections: u32,
    /// Limit on connections to its endpoints that are being established; 0: no limit.
    #[prost(uint32, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_pending_connections: u32,
    /// Active health checks of its endpoints; absent: none, and every endpoint counts as healthy.
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Outlier detection, which ejects an endpoint that fails connections for a while; absent: none.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier: Option<OutlierDetection>,
    /// PROXY protocol header that is written to an endpoint first, with the client's address.
    #[prost(enumeration = "ProxyProtocol", tag = "9")]
    #[serde(serialize_with = "name_of::<_, ProxyProtocol>", skip_serializing_if = "is_default")]
    pub proxy_protocol: i32,
    /// TCP keepalive on connections to endpoints; absent: off, the kernel's default.
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// Timeout for unacknowledged bytes before the connection counts as broken (`TCP_USER_TIMEOUT`), in milliseconds;
    /// 0: the kernel's default.
    #[prost(uint64, tag = "11")]
    #[serde(skip_serializing_if = "is_default")]
    pub user_timeout_ms: u64,
    /// Share of usable endpoints, in percent, below which a priority fails over to the next; 0: when none is usable.
    #[prost(uint32, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub failover_threshold_percent: u32,
    /// Share of healthy endpoints, in percent, below which all count as healthy, because so many failures at once
    /// rather speak of the checks; absent: 50, and 0: never.
    #[prost(uint32, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic_threshold_percent: Option<u32>,
    /// `true`: connections are refused below the panic threshold, instead of being sent to endpoints that failed.
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "is_default")]
    pub fail_on_panic: bool,
    /// TLS on connections to endpoints; absent: none.
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// `true`: the original destination of a redirected connection is dialled instead of endpoints.
    #[prost(bool, tag = "16")]
    #[serde(skip_serializing_if = "is_default")]
    pub original_destination: bool,
    /// Source IP address of connections to endpoints; empty: the kernel's choice.
    #[prost(string, tag = "17")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_address: String,
    /// TLS to a service outside the mesh on connections to endpoints; absent: none. Not together with `tls`.
    #[prost(message, optional, tag = "18")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside_tls: Option<OutsideTls>,
}

/// Load balancing among the endpoints of a cluster.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balancing {
    /// Load balancing policy.
    #[prost(enumeration = "BalancingPolicy", tag = "1")]
    #[serde(serialize_with = "name_of::<_, BalancingPolicy>")]
    pub policy: i32,
    /// Least connections: number of endpoints that are drawn, of which the one with the fewest connections is taken; 0:
    /// the default of 2.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub choice_count: u32,
    /// Ring hash: minimum number of places on the ring; 0: no minimum, and 128 for each unit of weight.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub min_ring_size: u32,
    /// Ring hash: maximum number of places on the ring; 0: the default of 65536.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub max_ring_size: u32,
    /// Maglev: number of places in the table, a prime; 0: the default of 65537.
    #[prost(uint32, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub table_size: u32,
    /// Slow start, in milliseconds: time in which the share of an endpoint that is new, or healthy again, grows up to
    /// its weight; 0: none, it has its share at once. Not with a hash.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub slow_start_ms: u64,
}

/// Load balancing policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum BalancingPolicy {
    /// Round robin: in turn, by weight.
    RoundRobin = 0,
    /// Least connections: the endpoint with the fewest connections of a few that are drawn.
    LeastConnections = 1,
    /// Random, by weight.
    Random = 2,
    /// Ring hash (ketama) of the client's address.
    RingHash = 3,
    /// Maglev table lookup by the client's address.
    Maglev = 4,
}

/// Active health checks of the endpoints of a cluster, over connections that the proxy opens itself.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Interval between two checks of one endpoint, in milliseconds; never 0.
    #[prost(uint64, tag = "1")]
    pub interval_ms: u64,
    /// Timeout of one check, in milliseconds; never 0.
    #[prost(uint64, tag = "2")]
    pub timeout_ms: u64,
    /// Number of failed checks in a row after which an endpoint is unhealthy; never 0.
    #[prost(uint32, tag = "3")]
    pub unhealthy_threshold: u32,
    /// Number of good checks in a row after which an endpoint is healthy again; never 0.
    #[prost(uint32, tag = "4")]
    pub healthy_threshold: u32,
    /// Maximum random delay of the first check, in milliseconds.
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub initial_jitter_ms: u64,
    /// Maximum random time added to each interval, in milliseconds.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_jitter_ms: u64,
    /// Maximum random time added to each interval, in percent of the interval.
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_jitter_percent: u32,
    /// Bytes sent once connected; empty: none, connecting is the check.
    #[prost(bytes = "vec", tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub send: Vec<u8>,
    /// Byte strings that must be received, in this order, with anything between them; none: nothing is read.
    #[prost(bytes = "vec", repeated, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub receive: Vec<Vec<u8>>,
}

/// Outlier detection: ejection of an endpoint that fails connections of clients, for a while.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Interval between two looks at ejected endpoints, to let them in again, in milliseconds; never 0.
    #[prost(uint64, tag = "1")]
    pub interval_ms: u64,
    /// Base ejection time, in milliseconds, multiplied by the number of earlier ejections of the endpoint; never 0.
    #[prost(uint64, tag = "2")]
    pub base_ejection_ms: u64,
    /// Maximum share of the cluster's endpoints ejected at once, in percent. One always may be, the last one never.
    #[prost(uint32, tag = "3")]
    pub max_ejection_percent: u32,
    /// Number of failures in a row after which an endpoint is ejected (connects that failed or timed out, and
    /// connections that it reset before it sent a byte); 0: failures in a row do not count.
    #[prost(uint32, tag = "4")]
    pub consecutive_failures: u32,
}

/// Version of the PROXY protocol header that tells an endpoint the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum ProxyProtocol {
    /// No header: the endpoint sees the proxy's address.
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
    /// Time without traffic before the first probe, in milliseconds; 0: the kernel's default.
    #[prost(uint64, tag = "1")]
    pub idle_ms: u64,
    /// Interval between unanswered probes, in milliseconds; 0: the kernel's default.
    #[prost(uint64, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub interval_ms: u64,
    /// Number of unanswered probes after which the connection is broken; 0: the kernel's default.
    #[prost(uint32, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub probes: u32,
}
