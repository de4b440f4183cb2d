//! Access logs as Envoy's loggers.

use plan::{AccessLog, LogBackend, LogFormat, Proxy, Sourced};
use serde_json::{Map, Value, json};

use super::Note;
use super::words::{extension, object};
use crate::access_log_format::Placeholders;

/// Line of a policy without a format of its own, as the reference writes it for TCP.
const DEFAULT_LINE: &str = "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% \
    %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) \
    took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes\n";

/// Listener that writes lines.
pub(super) struct Speaker<'a> {
    /// Proxy of the listener.
    pub(super) proxy: &'a Proxy,
    /// Name of the listener.
    pub(super) listener: &'a str,
    /// Service behind the listener.
    pub(super) service: &'a str,
    /// `OUTBOUND` or `INBOUND`.
    pub(super) direction: &'a str,
}

/// Returns the loggers; a backend that Envoy has no logger for becomes a note.
pub(super) fn loggers(
    logs: &[Sourced<AccessLog>],
    speaker: &Speaker<'_>,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let mut loggers = Vec::new();
    for Sourced { value: AccessLog { backend, format }, origin } in logs {
        match backend {
            LogBackend::File(path) => loggers.push(file(path, format.as_ref(), speaker)),
            LogBackend::Tcp(address) => notes.push(Note {
                listener: speaker.listener.into(),
                text: format!(
                    "{} `{}` logs to the TCP address {address}, which Envoy has no logger for: no line is sent",
                    origin.policy.kind, origin.name
                ),
            }),
        }
    }
    loggers
}

fn file(path: &str, format: Option<&LogFormat>, speaker: &Speaker<'_>) -> Value {
    let Speaker { proxy, listener: _, service, direction } = *speaker;
    let placeholders = Placeholders { proxy, destination: service, direction };
    let format = match format {
        None => json!({ "textFormatSource": { "inlineString": placeholders.fill(DEFAULT_LINE) } }),
        Some(LogFormat::Plain(line)) => {
            let end = if line.ends_with('\n') { "" } else { "\n" };
            let line = placeholders.fill(line) + end;
            json!({ "textFormatSource": { "inlineString": line } })
        }
        Some(LogFormat::Json(members)) => {
            let members: Map<String, Value> =
                members.iter().map(|(key, format)| (key.clone(), placeholders.fill(format).into())).collect();
            json!({ "jsonFormat": members })
        }
    };
    let config = object(json!({ "path": path, "logFormat": format }));
    extension("envoy.access_loggers.file", "extensions.access_loggers.file.v3.FileAccessLog", config)
}
