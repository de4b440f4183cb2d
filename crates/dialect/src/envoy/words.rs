//! Building blocks of Envoy resources.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// Returns the type URL of an Envoy message by its name.
pub(super) fn url(message: &str) -> String {
    format!("type.googleapis.com/envoy.{message}")
}

/// Builds a filter, transport socket, log … with its configuration.
pub(super) fn extension(name: &str, message: &str, mut config: Map<String, Value>) -> Value {
    config.insert("@type".into(), url(message).into());
    json!({ "name": name, "typedConfig": config })
}

/// Returns the members of a JSON object.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// Returns the members that are not null.
pub(super) fn said(config: Value) -> Map<String, Value> {
    object(config).into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// Returns the config source of the control plane, over the stream that is already open.
pub(super) fn from_control_plane() -> Value {
    json!({ "ads": {}, "resourceApiVersion": "V3" })
}

/// References a secret by name.
pub(super) fn secret(name: &str) -> Value {
    json!({ "name": name, "sdsConfig": from_control_plane() })
}

/// Builds an address from a host and a port; `unix://` paths become pipes.
pub(super) fn address(address: &str, port: u32) -> Value {
    match address.strip_prefix("unix://") {
        Some(path) => json!({ "pipe": { "path": path } }),
        None => json!({ "socketAddress": { "address": address, "portValue": port } }),
    }
}

/// Returns `true` if an address is literal, so that it needs no resolution.
pub(super) fn is_literal(address: &str) -> bool {
    address.starts_with("unix://") || address.parse::<IpAddr>().is_ok()
}

/// Formats a duration as protobuf JSON does: seconds, with as many decimals as needed.
pub(super) fn duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        n if n % 1_000_000 == 0 => format!("{seconds}.{:03}s", n / 1_000_000),
        n => format!("{seconds}.{n:09}s"),
    }
}

/// Returns a name for statistics: every character outside `[A-Za-z0-9_-]` becomes `_` (spec 04 §5.4).
pub(super) fn sanitised(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_only_the_decimals_that_they_need() {
        assert_eq!(duration(Duration::from_secs(5)), "5s");
        assert_eq!(duration(Duration::from_millis(1500)), "1.500s");
        assert_eq!(duration(Duration::from_nanos(1)), "0.000000001s");
    }

    #[test]
    fn names_in_statistics_have_no_separators_of_statistics() {
        assert_eq!(sanitised("outbound:127.0.0.1:80"), "outbound_127_0_0_1_80");
        assert_eq!(sanitised("default_redis__east_msvc-1"), "default_redis__east_msvc-1");
    }
}
