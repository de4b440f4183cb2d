//! Durations as the reference prints them: `111s` is `1m51s`.

use serde_json::Value;

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
                let canonical = value.as_str().filter(|_| FIELDS.contains(&key.as_str())).and_then(canonical);
                match canonical {
                    Some(text) => *value = Value::String(text),
                    None => canonicalize(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(canonicalize),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `1h0m5s`, `1.5s`, `250ms`; `None` when the text is no duration.
fn canonical(text: &str) -> Option<String> {
    let nanoseconds = parse(text)?;
    let seconds = nanoseconds / 1_000_000_000;
    if nanoseconds == 0 {
        return Some("0s".to_owned());
    }
    if seconds == 0 {
        let (unit, size) = match nanoseconds {
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("µs", 1_000),
            _ => ("ns", 1),
        };
        return Some(format!("{}{unit}", decimal(nanoseconds, size)));
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = decimal(nanoseconds % 60_000_000_000, 1_000_000_000);
    Some(match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        (_, _) => format!("{hours}h{minutes}m{rest}s"),
    })
}

fn decimal(value: u64, unit: u64) -> String {
    let fraction = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
    let fraction = fraction.trim_end_matches('0');
    let whole = value / unit;
    if fraction.is_empty() || unit == 1 { whole.to_string() } else { format!("{whole}.{fraction}") }
}

fn parse(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total) = (text, 0f64);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let size = match &rest[..unit] {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        total += value * size;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(total.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn durations_are_written_the_shortest_way() {
        for (text, want) in [
            ("111s", "1m51s"),
            ("300s", "5m0s"),
            ("9s", "9s"),
            ("1h", "1h0m0s"),
            ("1500ms", "1.5s"),
            ("250ms", "250ms"),
            ("0s", "0s"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(want));
        }
        assert_eq!(canonical("soon"), None);
    }
}
