//! MeshAccessLog: where lines about connections go.

use super::merge::said;

said! {
    /// What a MeshAccessLog says.
    AccessLogConf {
        /// Where lines go, in the order of the policy.
        backends: Vec<AccessLogBackend>,
    }
}

/// Where lines about connections go, and how they look.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLogBackend {
    /// Where they go.
    pub target: AccessLogTarget,
    /// How they look; absent: the default line.
    pub format: Option<AccessLogFormat>,
}

/// Where lines about connections go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogTarget {
    /// A file, by its path.
    File(String),
    /// A TCP server, as `host:port`.
    Tcp(String),
    /// An OpenTelemetry collector, by its endpoint. Known by name, but no line is carried there: whoever plans says so.
    OpenTelemetry(String),
}

/// How a line looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogFormat {
    /// A format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}
