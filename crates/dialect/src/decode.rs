//! Decoding of Envoy resources to trees: the reverse of [`encode`](crate::encode), for dumps, explanations and
//! tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value as Field};
use serde_json::{Map, Number, Value, json};
use xds::TypeUrl;

use crate::descriptors;

/// Error: the bytes are not the message that their type URL names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The descriptor set does not have the type.
    #[error("the type `{0}` is not known here")]
    UnknownType(String),
    /// The bytes are not such a message: they are truncated or of another type.
    #[error("not a `{type_url}`: {reason}")]
    Malformed {
        /// Type that was asked for.
        type_url: String,
        /// Error of the protobuf decoder.
        reason: String,
    },
}

/// Decodes one resource to canonical protobuf JSON with `@type` first, then fields by number, map entries by key.
///
/// Fields that the descriptor set does not know are left out. A nested `Any` whose type is unknown, or whose bytes
/// are broken, is shown as `{"@type": …, "value": "<base64>"}`.
///
/// # Errors
///
/// The type is unknown, or the bytes are not of it.
pub fn decode(type_url: &TypeUrl, bytes: &[u8]) -> Result<Value, DecodeError> {
    typed(type_url.as_str(), bytes)
}

fn typed(url: &str, bytes: &[u8]) -> Result<Value, DecodeError> {
    let descriptor = descriptors::message_of(url).ok_or_else(|| DecodeError::UnknownType(url.to_owned()))?;
    let message = DynamicMessage::decode(descriptor, bytes)
        .map_err(|error| DecodeError::Malformed { type_url: url.to_owned(), reason: error.to_string() })?;
    let mut tree = Map::from_iter([("@type".to_owned(), Value::from(url))]);
    if descriptors::has_own_json(message.descriptor().full_name()) {
        tree.insert("value".to_owned(), self::message(&message));
    } else {
        tree.extend(fields(&message));
    }
    Ok(Value::Object(tree))
}

fn message(message: &DynamicMessage) -> Value {
    let named = |name: &str| message.get_field_by_name(name);
    let number = |name: &str| named(name).and_then(|field| field.as_i64().or(field.as_i32().map(i64::from)));
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Any" => {
            let url = named("type_url").and_then(|url| url.as_str().map(str::to_owned)).unwrap_or_default();
            let bytes = named("value").and_then(|value| value.as_bytes().cloned()).unwrap_or_default();
            typed(&url, &bytes).unwrap_or_else(|_| json!({ "@type": url, "value": STANDARD.encode(&bytes) }))
        }
        "google.protobuf.Duration" => {
            duration(number("seconds").unwrap_or(0), number("nanos").unwrap_or(0)).into()
        }
        "google.protobuf.Timestamp" => {
            let (seconds, nanos) = (number("seconds").unwrap_or(0), number("nanos").unwrap_or(0));
            let nanos = i32::try_from(nanos).unwrap_or(0);
            jiff::Timestamp::new(seconds, nanos).map_or(Value::Null, |time| time.to_string().into())
        }
        "google.protobuf.FieldMask" => {
            let paths = named("paths").map(|paths| {
                let texts = paths.as_list().unwrap_or(&[]).iter().filter_map(Field::as_str).map(camel_case);
                texts.collect::<Vec<_>>().join(",")
            });
            paths.unwrap_or_default().into()
        }
        "google.protobuf.Struct" => named("fields").map_or(json!({}), |fields| value(&fields, &Kind::Bool)),
        "google.protobuf.ListValue" => {
            named("values").map_or(json!([]), |values| value(&values, &Kind::Bool))
        }
        "google.protobuf.Value" => {
            let set = message.fields().next();
            set.filter(|(field, _)| field.name() != "null_value")
                .map_or(Value::Null, |(field, set)| value(set, &field.kind()))
        }
        name if descriptors::has_own_json(name) && name != "google.protobuf.Empty" => {
            let inner = descriptor.get_field_by_name("value");
            inner.map_or(Value::Null, |field| value(&message.get_field(&field), &field.kind()))
        }
        _ => Value::Object(fields(message).collect()),
    }
}

fn fields(message: &DynamicMessage) -> impl Iterator<Item = (String, Value)> {
    message.fields().map(|(field, set)| (field.json_name().to_owned(), value(set, &field.kind())))
}

fn value(set: &Field, kind: &Kind) -> Value {
    match set {
        Field::Bool(truth) => (*truth).into(),
        Field::I32(number) => (*number).into(),
        Field::U32(number) => (*number).into(),
        Field::I64(number) => number.to_string().into(),
        Field::U64(number) => number.to_string().into(),
        // Through the shortest text, so that 0.1 does not become 0.10000000149.
        Field::F32(number) => double(number.to_string().parse().unwrap_or_else(|_| f64::from(*number))),
        Field::F64(number) => double(*number),
        Field::String(text) => text.as_str().into(),
        Field::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Field::EnumNumber(number) => match kind {
            Kind::Enum(names) => {
                names.get_value(*number).map_or((*number).into(), |known| known.name().into())
            }
            _ => (*number).into(),
        },
        Field::Message(inner) => message(inner),
        Field::List(items) => items.iter().map(|item| value(item, kind)).collect(),
        Field::Map(entries) => {
            let value_field = kind.as_message().filter(|entry| entry.is_map_entry());
            let value_kind = value_field.map_or(Kind::Bool, |entry| entry.map_entry_value_field().kind());
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, entry)| (map_key(key), value(entry, &value_kind))).collect()
        }
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// Converts a double: JSON has no infinities; a whole number is shown without a fraction.
fn double(number: f64) -> Value {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return (number as i64).into();
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Writes seconds with as many decimals (none, 3, 6 or 9) as needed.
fn duration(seconds: i64, nanos: i64) -> String {
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (seconds, nanos) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    match nanos {
        0 => format!("{sign}{seconds}s"),
        nanos if nanos % 1_000_000 == 0 => format!("{sign}{seconds}.{:03}s", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!("{sign}{seconds}.{:06}s", nanos / 1_000),
        nanos => format!("{sign}{seconds}.{nanos:09}s"),
    }
}

fn camel_case(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut upper = false;
    for letter in path.chars() {
        if letter == '_' {
            upper = true;
        } else {
            camel.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    camel
}
