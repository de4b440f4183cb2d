//! What connections did, as a proxy reports it to its control plane.

use super::Direction;

/// A report about connections. On a new stream the first ones say all that was counted since the proxy started; those after
/// them what is new, at most once a second.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficReport {
    /// When the proxy began to count, in microseconds since 1970. With another beginning everything starts at 0 again.
    #[prost(int64, tag = "1")]
    pub started_us: i64,
    /// Whether it is one of those that say what was counted before the stream was opened.
    #[prost(bool, tag = "2")]
    pub is_first: bool,
    /// What is new, one row each.
    #[prost(message, repeated, tag = "3")]
    pub rows: Vec<TrafficRow>,
    /// How many rows there are that are never reported, because there are too many.
    #[prost(uint32, tag = "4")]
    pub left_out: u32,
}

/// What the connections did that a route sent to one of its backends. All numbers but those that say `now` only grow, from 0
/// when the proxy began to count.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficRow {
    /// The policy that decides, as `Kind mesh/name`; empty: none does.
    #[prost(string, tag = "1")]
    pub route: String,
    /// What clients dial, in the operator's words.
    #[prost(string, tag = "2")]
    pub destination: String,
    /// Which way connections flow.
    #[prost(enumeration = "Direction", tag = "3")]
    pub direction: i32,
    /// The backendRef in words; empty: connections that were refused before one was chosen.
    #[prost(string, tag = "4")]
    pub backend: String,
    /// Whether the backend is forgotten, and the numbers say nothing: a later row begins at 0 again.
    #[prost(bool, tag = "5")]
    pub is_gone: bool,
    /// Its share by weight now, 0 to 1; absent: the route names it no more.
    #[prost(double, optional, tag = "6")]
    pub wanted: Option<f64>,
    /// How often it was chosen.
    #[prost(uint64, tag = "7")]
    pub chosen: u64,
    /// Connections established.
    #[prost(uint64, tag = "8")]
    pub opened: u64,
    /// Connections that live now.
    #[prost(uint64, tag = "9")]
    pub active: u64,
    /// Connections that live now and were decided by weights that are no longer in force.
    #[prost(uint64, tag = "10")]
    pub on_old_weights: u64,
    /// Connections that the proxy itself ended although both ends wanted them.
    #[prost(uint64, tag = "11")]
    pub cut: u64,
    /// Connections that an end reset.
    #[prost(uint64, tag = "12")]
    pub resets: u64,
    /// Those of them that it reset early.
    #[prost(uint64, tag = "13")]
    pub resets_early: u64,
    /// Attempts to connect that failed, also those after which another endpoint was tried.
    #[prost(uint64, tag = "14")]
    pub failed_attempts: u64,
    /// Connections that were refused, by why.
    #[prost(message, repeated, tag = "15")]
    pub refused: Vec<Refused>,
    /// Bytes passed on from clients.
    #[prost(uint64, tag = "16")]
    pub bytes_from_clients: u64,
    /// Bytes passed on to clients.
    #[prost(uint64, tag = "17")]
    pub bytes_to_clients: u64,
    /// How many connects took at most 100, 250, 500, 1,000, 2,500, 5,000, 10,000, 50,000, 100,000, 1,000,000, 5,000,000 µs, or
    /// more; each counted once. Empty: none.
    #[prost(uint64, repeated, tag = "18")]
    pub connect_times: Vec<u64>,
    /// The sum of these times in microseconds.
    #[prost(uint64, tag = "19")]
    pub connect_time_us: u64,
}

/// Connections that were refused for one reason.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// The word of the connection log, e.g. `connect-refused`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// What a control plane says of reports: how often it wants them, and at the end how many it has taken.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TrafficReceived {
    /// How many of them were taken.
    #[prost(uint64, tag = "1")]
    pub reports: u64,
    /// How far reports should be apart from now on, in milliseconds; 0: as they were. Said on the way only to a proxy that asks
    /// with the metadata `meshtcp-takes-pace: 1`.
    #[prost(uint32, tag = "70")]
    pub every_ms: u32,
}

impl TrafficReceived {
    /// The metadata by which a proxy says that it wants to be told how often to report.
    pub const PACE: (&'static str, &'static str) = ("meshtcp-takes-pace", "1");
}
