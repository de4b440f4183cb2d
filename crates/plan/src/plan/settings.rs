//! How the connections of a listener are treated.

use std::time::Duration;

use super::PolicyOrigin;

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
