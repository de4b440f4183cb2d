//! Access logs as Envoy's loggers.

use plan::{AccessLog, LogBackend, LogFormat, Sourced};
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
    /// Name of the listener.
    pub(super) listener: &'a str,
    /// Values of the mesh's placeholders in its lines.
    pub(super) placeholders: Placeholders<'a>,
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
    let Speaker { listener: _, placeholders } = speaker;
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
