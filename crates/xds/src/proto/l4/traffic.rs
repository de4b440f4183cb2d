//! Traffic reports: connection counters that a proxy sends to its control plane.

use super::Direction;

/// Report about connections. The first reports of a new stream hold everything counted since the proxy started; those
/// after them hold the changes, at most once a second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficReport {
    /// Time at which the proxy began to count, in microseconds since 1970. A different value means that all counters
    /// start at 0 again.
    #[prost(int64, tag = "1")]
    pub started_us: i64,
    /// `true`: the report is one of the first of a stream, with what was counted before the stream was opened.
    #[prost(bool, tag = "2")]
    pub is_first: bool,
    /// Changed rows.
    #[prost(message, repeated, tag = "3")]
    pub rows: Vec<TrafficRow>,
    /// Number of rows that are never reported, because there are too many.
    #[prost(uint32, tag = "4")]
    pub left_out: u32,
    /// Data paths of all outbounds, in the first report of a stream and whenever one has changed. Absent: they are as
    /// reported before, or the proxy does not report them.
    #[prost(message, optional, tag = "70")]
    pub paths: Option<OutboundPaths>,
}

/// Data paths of a proxy's outbounds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OutboundPaths {
    /// Outbounds, by name.
    #[prost(message, repeated, tag = "1")]
    pub outbounds: Vec<OutboundPath>,
    /// Number of further outbounds, which are not reported because there are too many.
    #[prost(uint32, tag = "2")]
    pub left_out: u32,
}

/// Data path of an outbound's connections.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OutboundPath {
    /// Name of the listener, e.g. `outbound:127.0.0.1:13306`.
    #[prost(string, tag = "1")]
    pub listener: String,
    /// Data path in use.
    #[prost(enumeration = "TakenPath", tag = "2")]
    pub path: i32,
    /// Reason in words why the proxy carries the connections; empty: none.
    #[prost(string, tag = "3")]
    pub why: String,
}

/// Data path in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TakenPath {
    /// Unknown to the reader.
    Unknown = 0,
    /// Through the proxy.
    Relay = 1,
    /// Directly to the endpoint, decided in the kernel.
    Kernel = 2,
}

/// Counters of the connections that a route sent to one of its backends. All numbers but those marked `now` only grow,
/// from 0 when the proxy began to count.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficRow {
    /// Policy that decides, as `Kind mesh/name`; empty: none does.
    #[prost(string, tag = "1")]
    pub route: String,
    /// Destination that clients dial, in the operator's words.
    #[prost(string, tag = "2")]
    pub destination: String,
    /// Direction of the connections.
    #[prost(enumeration = "Direction", tag = "3")]
    pub direction: i32,
    /// backendRef in words; empty: connections that were refused before one was chosen.
    #[prost(string, tag = "4")]
    pub backend: String,
    /// `true`: the backend is forgotten and the numbers are void; a later row begins at 0 again.
    #[prost(bool, tag = "5")]
    pub is_gone: bool,
    /// Share by weight now, 0 to 1; absent: the route no longer names the backend.
    #[prost(double, optional, tag = "6")]
    pub wanted: Option<f64>,
    /// Number of times that the backend was chosen.
    #[prost(uint64, tag = "7")]
    pub chosen: u64,
    /// Connections established.
    #[prost(uint64, tag = "8")]
    pub opened: u64,
    /// Live connections now.
    #[prost(uint64, tag = "9")]
    pub active: u64,
    /// Live connections now that were decided by weights no longer in force.
    #[prost(uint64, tag = "10")]
    pub on_old_weights: u64,
    /// Connections that the proxy itself ended although both ends wanted them.
    #[prost(uint64, tag = "11")]
    pub cut: u64,
    /// Connections that the client or the endpoint reset.
    #[prost(uint64, tag = "12")]
    pub resets: u64,
    /// Those of them that were reset early.
    #[prost(uint64, tag = "13")]
    pub resets_early: u64,
    /// Failed connects, including those after which another endpoint was tried.
    #[prost(uint64, tag = "14")]
    pub failed_attempts: u64,
    /// Refused connections, by reason.
    #[prost(message, repeated, tag = "15")]
    pub refused: Vec<Refused>,
    /// Bytes passed on from clients.
    #[prost(uint64, tag = "16")]
    pub bytes_from_clients: u64,
    /// Bytes passed on to clients.
    #[prost(uint64, tag = "17")]
    pub bytes_to_clients: u64,
    /// Number of connects that took at most 100, 250, 500, 1,000, 2,500, 5,000, 10,000, 50,000, 100,000, 1,000,000,
    /// 5,000,000 µs, or more; each counted once. Empty: none.
    #[prost(uint64, repeated, tag = "18")]
    pub connect_times: Vec<u64>,
    /// Sum of these connect times, in microseconds.
    #[prost(uint64, tag = "19")]
    pub connect_time_us: u64,
}

/// Connections refused for one reason.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// Reason as in the connection log, e.g. `connect-refused`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Number of connections.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// Control plane's answer to reports: their interval, and at the end the number of reports taken.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficReceived {
    /// Number of reports taken.
    #[prost(uint64, tag = "1")]
    pub reports: u64,
    /// Interval between reports from now on, in milliseconds; 0: unchanged. Sent before the end only to a proxy that
    /// asks for it with the metadata `meshtcp-takes-pace: 1`.
    #[prost(uint32, tag = "70")]
    pub every_ms: u32,
}

impl TrafficReceived {
    /// Metadata by which a proxy asks for the interval of its reports.
    pub const PACE: (&'static str, &'static str) = ("meshtcp-takes-pace", "1");
}
