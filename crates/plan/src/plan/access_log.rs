//! Access logs: the destination and format of lines about finished connections.

use serde::Serializer;
use serde_json::{Value, json};

use super::Sourced;

/// Access log of finished connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// File or TCP address that lines go to.
    pub backend: LogBackend,
    /// Format of a line; absent: the default line.
    pub format: Option<LogFormat>,
}

/// Destination of access log lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogBackend {
    /// Path of a file.
    File(String),
    /// TCP address, as `host:port`.
    Tcp(String),
}

/// Format of an access log line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}

/// Returns the destination of the lines, in words.
pub(super) fn words(AccessLog { backend, format: _ }: &AccessLog) -> String {
    match backend {
        LogBackend::File(path) => format!("to the file {path}"),
        LogBackend::Tcp(address) => format!("to {address}"),
    }
}

/// Serializes access logs, each with its place beside the policy.
pub(super) fn serialize<S: Serializer>(
    logs: &[Sourced<AccessLog>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let log = |Sourced { value: AccessLog { backend, format }, origin }: &Sourced<AccessLog>| {
        let (file, tcp) = match backend {
            LogBackend::File(path) => (Some(path), None),
            LogBackend::Tcp(address) => (None, Some(address)),
        };
        let format = format.as_ref().map(|format| match format {
            LogFormat::Plain(line) => json!(line),
            LogFormat::Json(members) => {
                members.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
            }
        });
        json!({ "file": file, "tcp": tcp, "format": format, "policy": origin })
    };
    serializer.collect_seq(logs.iter().map(log))
}
