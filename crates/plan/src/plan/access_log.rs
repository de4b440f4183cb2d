//! Where lines about finished connections go.

use serde::Serializer;
use serde_json::{Value, json};

use super::Sourced;

/// Where lines about finished connections go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccessLog {
    /// A file, or a TCP address.
    pub backend: LogBackend,
    /// How a line looks; absent: the default line.
    pub format: Option<LogFormat>,
}

/// A file, or a TCP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogBackend {
    /// A path.
    File(String),
    /// `host:port`.
    Tcp(String),
}

/// How an access log line looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// A format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}

/// Where lines go, in words.
pub(super) fn words(AccessLog { backend, format: _ }: &AccessLog) -> String {
    match backend {
        LogBackend::File(path) => format!("to the file {path}"),
        LogBackend::Tcp(address) => format!("to {address}"),
    }
}

/// Each with its place beside the policy.
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
