//! Resolution of plain YAML scalars as in kubectl and kumactl: YAML 1.1 with a few words of 1.2.

use serde_json::{Number, Value};

/// Resolves the value of an unquoted scalar.
///
/// `yes`, `no`, `on`, `off`, `y` and `n` are booleans, `012` is ten, `0x1f` and `0b11` are numbers, `1_000` is a
/// thousand, nothing and `~` are null. Numbers that JSON cannot hold (`.inf`, `.nan`) stay text.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Returns the number that a scalar is, if it is one.
pub(crate) fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

/// Returns help for a text that was meant as a whole number; `None`: its form gives no hint.
pub(crate) fn number_help(text: &str) -> Option<String> {
    let text = text.trim();
    if text.parse::<u64>().is_ok() {
        return Some("write it without quotes".into());
    }
    if let Some(share) = text.strip_suffix('%').map(str::trim)
        && share.parse::<f64>().is_ok()
    {
        return Some(match share.parse::<u64>() {
            Ok(share) => format!("write {share}, without the per cent sign"),
            Err(_) => "write a whole number, without the per cent sign".into(),
        });
    }
    let bare = text.trim_start_matches(['+', '-', '.']).to_ascii_lowercase();
    if matches!(bare.as_str(), "inf" | "infinity" | "nan") {
        return Some("write a whole number: nothing here is without a limit by a word".into());
    }
    let is_template = text.contains("{{") || text.contains("${");
    is_template.then(|| "it looks like a template: fill it in first".into())
}

fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(magnitude.into());
    }
    i64::try_from(-i128::from(magnitude)).ok().map(Number::from)
}

fn float(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let shaped = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !shaped {
        return None;
    }
    text.parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_what_kubectl_makes_of_them() {
        let cases = [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("yEs", json!("yEs")),
            ("", json!(null)),
            ("~", json!(null)),
            ("012", json!(10)),
            ("089", json!(89.0)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18446744073709551616.0)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            (".inf", json!(".inf")),
            ("10.0.0.7", json!("10.0.0.7")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("2024-01-01", json!("2024-01-01")),
            ("v1", json!("v1")),
            ("5s", json!("5s")),
        ];
        for (text, value) in cases {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
