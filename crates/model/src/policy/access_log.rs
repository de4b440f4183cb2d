//! MeshAccessLog: access logs of connections.

use super::merge::said;

said! {
    /// Conf of a MeshAccessLog.
    AccessLogConf {
        /// Backends that lines go to, in the order of the policy.
        backends: Vec<AccessLogBackend>,
    }
}

/// Destination and format of access log lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLogBackend {
    /// Destination of the lines.
    pub target: AccessLogTarget,
    /// Format of a line; absent: the default line.
    pub format: Option<AccessLogFormat>,
}

/// Destination of access log lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogTarget {
    /// File, by its path.
    File(String),
    /// TCP server, as `host:port`.
    Tcp(String),
    /// OpenTelemetry collector, by its endpoint. Known by name, but not supported: planning adds a warning.
    OpenTelemetry(String),
}

/// Format of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogFormat {
    /// Format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}
