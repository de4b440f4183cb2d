//! Durations as the reference prints them: `111s` is `1m51s`.

use model::policy::{format_duration, parse_duration};
use serde_json::Value;

/// The fields of policies that hold durations; elsewhere, text that looks like a duration is text.
const FIELDS: &[&str] = &[
    "connectionTimeout",
    "idleTimeout",
    "requestTimeout",
    "requestHeadersTimeout",
    "streamIdleTimeout",
    "maxStreamDuration",
    "maxConnectionDuration",
    "perTryTimeout",
    "baseInterval",
    "maxInterval",
    "baseEjectionTime",
    "interval",
    "timeout",
];

/// Rewrites the durations anywhere in a conf.
pub(crate) fn canonicalize(conf: &mut Value) {
    match conf {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let text = value.as_str().filter(|_| FIELDS.contains(&key.as_str()));
                match text.and_then(parse_duration) {
                    Some(duration) => *value = Value::String(format_duration(duration)),
                    None => canonicalize(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(canonicalize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
