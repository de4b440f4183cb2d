//! Durations as Go and Kubernetes write them: `1m30s`, `250ms`, `1.5h`.

use std::time::Duration;

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5
    ("μs", 1_000), // U+03BC
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a duration: one or more decimal numbers, each with a unit (ns, us, ms, s, m, h), or `0`.
///
/// Returns `None` for other text, for negative durations, and above 292 years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(length)?;
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(length)?;
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(nanoseconds(number, scale)?)?;
        rest = after;
    }
    let total = i64::try_from(total).ok()?;
    u64::try_from(total).ok().map(Duration::from_nanos)
}

fn nanoseconds(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let whole = digits(whole)?.checked_mul(scale)?;
    // More than 18 digits after the point are below a nanosecond of an hour.
    let fraction = fraction.get(..fraction.len().min(18))?;
    let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    whole.checked_add(digits(fraction)?.checked_mul(scale)? / divisor)
}

/// Formats a duration as Go does: `1m42s`, `1.5s`, `250ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |number: u128, scale: u128| {
        let (whole, rest) = (number / scale, number % scale);
        let width = scale.ilog10() as usize;
        let fraction = format!("{rest:0width$}");
        match fraction.trim_end_matches('0') {
            "" => whole.to_string(),
            fraction => format!("{whole}.{fraction}"),
        }
    };
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let (minutes, seconds) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = format!("{}s", decimal(seconds, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// Durations in JSON, as [`format_duration`] writes them.
pub(super) mod written {
    use super::{Duration, format_duration};
    use serde::{Serialize, Serializer};

    pub(in crate::policy) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        format_duration(*duration).serialize(serializer)
    }

    pub(in crate::policy) fn optional<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(format_duration).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let cases = [
            ("102s", "1m42s"),
            ("60s", "1m0s"),
            ("1.5h", "1h30m0s"),
            ("1500ms", "1.5s"),
            ("250ms", "250ms"),
            ("1h0m0.5s", "1h0m0.5s"),
            ("1500us", "1.5ms"),
            ("0", "0s"),
            ("0s", "0s"),
            ("+3s", "3s"),
        ];
        for (text, written) in cases {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Some(written), "{text}");
        }
        for text in ["", "5", "s", "-5s", "5 s", "5x", "1.2.3s", ".s", "99999999999999999999h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos in 0..i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC*") {
            let _ = parse_duration(&text);
        }
    }
}
