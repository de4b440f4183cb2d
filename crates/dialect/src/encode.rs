//! Encoding of Envoy resources: protobuf JSON in, deterministic protobuf bytes out.
//!
//! The tree is what Envoy's documentation and `config_dump` show: `@type` at the top and in every `typedConfig`,
//! names in `lowerCamelCase` (`snake_case` is accepted too). Equal trees have equal bytes, whatever the order of
//! their members: fields are written by number, map entries by key, and a field that holds its default and has no
//! presence is left out.
//!
//! Only the shape is checked: semantic rules, such as whether a cluster needs a connect timeout, are left to Envoy.

mod error;
mod scalar;
mod well_known;

use std::collections::BTreeMap;

use error::Path;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};
use xds::TypeUrl;

use crate::descriptors;
pub use error::{EncodeError, Problem};

/// Encodes one resource: an object whose `@type` names its message.
///
/// Returns the type URL as written and the message without its `Any` envelope.
///
/// # Errors
///
/// The first thing that does not fit the message, with the path to it.
pub fn encode(tree: &Value) -> Result<(TypeUrl, Vec<u8>), EncodeError> {
    let (type_url, bytes) = typed(tree, &Path::Root)?;
    Ok((TypeUrl::new(type_url), bytes))
}

/// Encodes the content of an `Any`: the URL and the message that it names.
fn typed<'a>(value: &'a Value, at: &Path<'_>) -> Result<(&'a str, Vec<u8>), EncodeError> {
    let object = value.as_object().ok_or_else(|| at.expected("an object with `@type`", value))?;
    let url = object.get("@type").and_then(Value::as_str).ok_or_else(|| at.error(Problem::NoType))?;
    let descriptor =
        descriptors::message_of(url).ok_or_else(|| at.error(Problem::UnknownType(url.to_owned())))?;
    let mut bytes = Vec::new();
    if descriptors::has_own_json(descriptor.full_name()) {
        if let Some(unknown) = object.keys().find(|key| *key != "@type" && *key != "value") {
            return Err(at.unknown_field(unknown, &descriptor));
        }
        let inner = object.get("value").unwrap_or(&Value::Null);
        message(&descriptor, inner, &at.member("value"), &mut bytes)?;
    } else {
        fields(&descriptor, object, true, at, &mut bytes)?;
    }
    Ok((url, bytes))
}

fn message(
    descriptor: &MessageDescriptor,
    value: &Value,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if descriptors::has_own_json(descriptor.full_name()) {
        return well_known::encode(descriptor, value, at, out);
    }
    let object = value.as_object().ok_or_else(|| at.expected("an object", value))?;
    fields(descriptor, object, false, at, out)
}

fn fields(
    descriptor: &MessageDescriptor,
    object: &Map<String, Value>,
    has_type: bool,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut set: BTreeMap<u32, (FieldDescriptor, &str, &Value)> = BTreeMap::new();
    for (key, value) in object {
        if has_type && key == "@type" {
            continue;
        }
        let field = descriptor
            .get_field_by_json_name(key)
            .or_else(|| descriptor.get_field_by_name(key))
            .ok_or_else(|| at.unknown_field(key, descriptor))?;
        if value.is_null() && !accepts_null(&field) {
            continue;
        }
        if let Some((_, other, _)) = set.get(&field.number()) {
            return Err(at.member(key).error(Problem::Twice((*other).to_owned())));
        }
        set.insert(field.number(), (field, key, value));
    }
    let mut chosen: BTreeMap<String, &str> = BTreeMap::new();
    for (field, key, _) in set.values() {
        let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) else { continue };
        if let Some(other) = chosen.insert(oneof.name().to_owned(), key) {
            return Err(at.member(key).error(Problem::OneOf(other.to_owned())));
        }
    }
    set.values().try_for_each(|(field, key, value)| self::field(field, value, &at.member(key), out))
}

/// Returns `true` if `null` is a value: it stands for an absent field, except where the message has a null value of
/// its own.
fn accepts_null(field: &FieldDescriptor) -> bool {
    !field.is_list()
        && field.kind().as_message().is_some_and(|message| message.full_name() == "google.protobuf.Value")
}

fn field(
    field: &FieldDescriptor,
    value: &Value,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if field.is_map() {
        return map(field, value, at, out);
    }
    if !field.is_list() {
        let always = field.supports_presence();
        return single(&field.kind(), field.number(), value, always, at, out);
    }
    let items = value.as_array().ok_or_else(|| at.expected("a list", value))?;
    if field.is_packed() {
        let mut packed = Vec::new();
        for (index, item) in items.iter().enumerate() {
            scalar::encode(&field.kind(), item, &at.item(index), &mut packed)?;
        }
        if !packed.is_empty() {
            delimited(field.number(), &packed, out);
        }
        return Ok(());
    }
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| single(&field.kind(), field.number(), item, true, &at.item(index), out))
}

/// Writes one value with its key; a scalar that is its default only when `always`.
fn single(
    kind: &Kind,
    number: u32,
    value: &Value,
    always: bool,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut bytes = Vec::new();
    if let Kind::Message(descriptor) = kind {
        message(descriptor, value, at, &mut bytes)?;
        delimited(number, &bytes, out);
        return Ok(());
    }
    scalar::encode(kind, value, at, &mut bytes)?;
    let text = matches!(kind, Kind::String | Kind::Bytes);
    // A varint or fixed value is its default exactly when all its bytes are zero, a text when it has none.
    if !always && if text { bytes.is_empty() } else { bytes.iter().all(|byte| *byte == 0) } {
        return Ok(());
    }
    if text {
        delimited(number, &bytes, out);
    } else {
        encode_key(number, kind.wire_type(), out);
        out.extend_from_slice(&bytes);
    }
    Ok(())
}

fn map(field: &FieldDescriptor, value: &Value, at: &Path<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let object = value.as_object().ok_or_else(|| at.expected("an object", value))?;
    let kind = field.kind();
    let entry = kind.as_message().ok_or_else(|| at.expected("a map", value))?;
    let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let mut entries: BTreeMap<&str, &Value> = BTreeMap::new();
    entries.extend(object.iter().map(|(key, value)| (key.as_str(), value)));
    for (key, value) in entries {
        let at = at.member(key);
        let mut bytes = Vec::new();
        // The keys of a JSON object are texts, whatever the kind of the map's keys.
        single(&key_kind, 1, &scalar::map_key(&key_kind, key), true, &at, &mut bytes)?;
        single(&value_kind, 2, value, true, &at, &mut bytes)?;
        delimited(field.number(), &bytes, out);
    }
    Ok(())
}

/// Writes a length-delimited field.
fn delimited(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
