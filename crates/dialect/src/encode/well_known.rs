//! Well-known messages with a protobuf JSON form of their own: `Any`, `Duration`, `Struct`, wrappers and the like.

use std::collections::BTreeMap;

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::MessageDescriptor;
use serde_json::Value;

use super::error::{EncodeError, Path};
use super::{delimited, scalar, single, typed};

/// Writes a message for which [`crate::descriptors::has_own_json`] holds.
pub(super) fn encode(
    descriptor: &MessageDescriptor,
    value: &Value,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match descriptor.full_name() {
        "google.protobuf.Any" => {
            let (url, bytes) = typed(value, at)?;
            delimited(1, url.as_bytes(), out);
            if !bytes.is_empty() {
                delimited(2, &bytes, out);
            }
        }
        "google.protobuf.Duration" => {
            let time = value.as_str().and_then(duration);
            let (seconds, nanos) =
                time.ok_or_else(|| at.expected("a duration in seconds such as `1.5s`", value))?;
            seconds_and_nanos(seconds, nanos, out);
        }
        "google.protobuf.Timestamp" => {
            let time = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
            let time = time.ok_or_else(|| at.expected("an RFC 3339 time", value))?;
            // Nanoseconds count forward from the second, also before 1970.
            let nanos = time.subsec_nanosecond();
            let (seconds, nanos) = if nanos < 0 {
                (time.as_second() - 1, nanos + 1_000_000_000)
            } else {
                (time.as_second(), nanos)
            };
            seconds_and_nanos(seconds, nanos, out);
        }
        "google.protobuf.FieldMask" => {
            let paths = value.as_str().ok_or_else(|| at.expected("paths joined by commas", value))?;
            for path in paths.split(',').filter(|path| !path.is_empty()) {
                delimited(1, snake_case(path).as_bytes(), out);
            }
        }
        "google.protobuf.Empty" => {
            if !value.is_null() && !value.as_object().is_some_and(serde_json::Map::is_empty) {
                return Err(at.expected("an empty object", value));
            }
        }
        "google.protobuf.Struct" => structure(value, at, out)?,
        "google.protobuf.ListValue" => list(value, at, out)?,
        "google.protobuf.Value" => any_value(value, at, out)?,
        _ => {
            let inner = descriptor
                .get_field_by_name("value")
                .ok_or_else(|| at.expected(format!("`{}`", descriptor.full_name()), value))?;
            single(&inner.kind(), inner.number(), value, false, at, out)?;
        }
    }
    Ok(())
}

fn structure(value: &Value, at: &Path<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let object = value.as_object().ok_or_else(|| at.expected("an object", value))?;
    let sorted: BTreeMap<&String, &Value> = object.iter().collect();
    for (key, value) in sorted {
        let (mut inner, mut entry) = (Vec::new(), Vec::new());
        any_value(value, &at.member(key), &mut inner)?;
        delimited(1, key.as_bytes(), &mut entry);
        delimited(2, &inner, &mut entry);
        delimited(1, &entry, out);
    }
    Ok(())
}

fn list(value: &Value, at: &Path<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let items = value.as_array().ok_or_else(|| at.expected("a list", value))?;
    for (index, item) in items.iter().enumerate() {
        let mut inner = Vec::new();
        any_value(item, &at.item(index), &mut inner)?;
        delimited(1, &inner, out);
    }
    Ok(())
}

fn any_value(value: &Value, at: &Path<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::Null => {
            encode_key(1, WireType::Varint, out);
            encode_varint(0, out);
        }
        Value::Number(_) => {
            encode_key(2, WireType::SixtyFourBit, out);
            scalar::encode(&prost_reflect::Kind::Double, value, at, out)?;
        }
        Value::String(text) => delimited(3, text.as_bytes(), out),
        Value::Bool(truth) => {
            encode_key(4, WireType::Varint, out);
            encode_varint(u64::from(*truth), out);
        }
        Value::Object(_) => {
            let mut inner = Vec::new();
            structure(value, at, &mut inner)?;
            delimited(5, &inner, out);
        }
        Value::Array(_) => {
            let mut inner = Vec::new();
            list(value, at, &mut inner)?;
            delimited(6, &inner, out);
        }
    }
    Ok(())
}

fn seconds_and_nanos(seconds: i64, nanos: i32, out: &mut Vec<u8>) {
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        if value != 0 {
            encode_key(number, WireType::Varint, out);
            encode_varint(value.cast_unsigned(), out);
        }
    }
}

/// Parses `1.5s`: seconds with up to nine decimals. Both parts have the sign of the whole.
fn duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok().filter(|seconds| *seconds <= 315_576_000_000)?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

fn snake_case(path: &str) -> String {
    let mut snake = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
