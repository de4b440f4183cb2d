//! MeshAccessLog: where lines about connections go.

use serde_json::Value;

/// Where lines about connections go, and how they look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogBackend {
    /// Where they go.
    pub target: AccessLogTarget,
    /// How they look; absent: the default line.
    pub format: Option<AccessLogFormat>,
}

/// Where lines about connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// A file, by its path.
    File(String),
    /// A TCP server, as `host:port`.
    Tcp(String),
    /// An OpenTelemetry collector, by its endpoint. Known by name, but no line is carried there: whoever plans says so.
    OpenTelemetry(String),
}

/// How a line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// A format string.
    Plain(String),
    /// Keys and format strings, in the order of the policy.
    Json(Vec<(String, String)>),
}

/// The backends of a merged MeshAccessLog conf, `{"backends": […]}`, in the order of the policy that won.
///
/// A backend whose type and body do not agree is left out; `draft` refuses it.
pub fn access_log_backends(conf: &Value) -> Vec<AccessLogBackend> {
    let backends = conf.get("backends").and_then(Value::as_array);
    backends.into_iter().flatten().filter_map(backend).collect()
}

fn backend(value: &Value) -> Option<AccessLogBackend> {
    let kind = value.get("type").and_then(Value::as_str);
    let section = ["file", "tcp", "openTelemetry"].into_iter().find(|section| match kind {
        Some(kind) => kind.eq_ignore_ascii_case(section),
        None => value.get(section).is_some(),
    })?;
    let body = value.get(section)?;
    let text = |field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    let target = match section {
        "file" => AccessLogTarget::File(text("path")?),
        "tcp" => AccessLogTarget::Tcp(text("address")?),
        _ => AccessLogTarget::OpenTelemetry(text("endpoint")?),
    };
    Some(AccessLogBackend { target, format: body.get("format").and_then(format) })
}

fn format(value: &Value) -> Option<AccessLogFormat> {
    if let Some(plain) = value.get("plain").and_then(Value::as_str) {
        return Some(AccessLogFormat::Plain(plain.to_owned()));
    }
    let pairs = value.get("json")?.as_array()?.iter();
    let text = |pair: &Value, key: &str| pair.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(AccessLogFormat::Json(
        pairs.filter_map(|pair| Some((text(pair, "key")?, text(pair, "value")?))).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn backends_are_read_by_their_type() {
        let conf = json!({"backends": [
            {"type": "File", "file": {"path": "/tmp/log", "format": {"type": "Plain", "plain": "%BYTES_SENT%"}}},
            {"type": "Tcp", "tcp": {"address": "127.0.0.1:9", "format": {"type": "Json", "json": [{"key": "a", "value": "b"}]}}},
            {"type": "OpenTelemetry", "openTelemetry": {"endpoint": "otel:4317"}},
            {"type": "File", "tcp": {"address": "127.0.0.1:9"}},
        ]});
        let plain = AccessLogFormat::Plain("%BYTES_SENT%".into());
        let json = AccessLogFormat::Json(vec![("a".into(), "b".into())]);
        let wanted = [
            AccessLogBackend { target: AccessLogTarget::File("/tmp/log".into()), format: Some(plain) },
            AccessLogBackend { target: AccessLogTarget::Tcp("127.0.0.1:9".into()), format: Some(json) },
            AccessLogBackend { target: AccessLogTarget::OpenTelemetry("otel:4317".into()), format: None },
        ];
        assert_eq!(access_log_backends(&conf), wanted);
    }
}
