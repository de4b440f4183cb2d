//! Numbers, texts, bytes and enum values, without their field keys.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use prost::encoding::encode_varint;
use prost_reflect::Kind;
use serde_json::Value;

use super::error::{EncodeError, Path};

/// Writes one value; texts and bytes without their length.
pub(super) fn encode(
    kind: &Kind,
    value: &Value,
    at: &Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match kind {
        Kind::Double => out.extend_from_slice(&double(value, at)?.to_le_bytes()),
        Kind::Float => {
            #[expect(clippy::cast_possible_truncation, reason = "the nearest float is what JSON readers use")]
            let narrow = double(value, at)? as f32;
            out.extend_from_slice(&narrow.to_le_bytes());
        }
        // A negative 32-bit varint is sign-extended to 64 bits, as protobuf has it.
        Kind::Int32 => encode_varint(i64::from(integer::<i32>(value, at)?).cast_unsigned(), out),
        Kind::Int64 => encode_varint(integer::<i64>(value, at)?.cast_unsigned(), out),
        Kind::Uint32 => encode_varint(u64::from(integer::<u32>(value, at)?), out),
        Kind::Uint64 => encode_varint(integer::<u64>(value, at)?, out),
        Kind::Sint32 => encode_varint(zigzag(i64::from(integer::<i32>(value, at)?)), out),
        Kind::Sint64 => encode_varint(zigzag(integer::<i64>(value, at)?), out),
        Kind::Fixed32 => out.extend_from_slice(&integer::<u32>(value, at)?.to_le_bytes()),
        Kind::Fixed64 => out.extend_from_slice(&integer::<u64>(value, at)?.to_le_bytes()),
        Kind::Sfixed32 => out.extend_from_slice(&integer::<i32>(value, at)?.to_le_bytes()),
        Kind::Sfixed64 => out.extend_from_slice(&integer::<i64>(value, at)?.to_le_bytes()),
        Kind::Bool => out.push(u8::from(value.as_bool().ok_or_else(|| at.expected("true or false", value))?)),
        Kind::String => {
            let text = value.as_str().ok_or_else(|| at.expected("a text", value))?;
            out.extend_from_slice(text.as_bytes());
        }
        Kind::Bytes => {
            let bytes =
                value.as_str().and_then(|text| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok());
            out.extend_from_slice(&bytes.ok_or_else(|| at.expected("base64", value))?);
        }
        Kind::Enum(descriptor) => {
            let number = match value {
                Value::String(name) => descriptor.get_value_by_name(name).map(|known| known.number()),
                Value::Number(_) => Some(integer::<i32>(value, at)?),
                _ => None,
            };
            let number = number
                .ok_or_else(|| at.expected(format!("a value of `{}`", descriptor.full_name()), value))?;
            encode_varint(i64::from(number).cast_unsigned(), out);
        }
        Kind::Message(descriptor) => {
            return Err(at.expected(format!("`{}`", descriptor.full_name()), value));
        }
    }
    Ok(())
}

/// Converts the key of a JSON object to a value of the kind of a map's keys.
pub(super) fn map_key(kind: &Kind, key: &str) -> Value {
    match kind {
        Kind::Bool if key == "true" => Value::Bool(true),
        Kind::Bool if key == "false" => Value::Bool(false),
        _ => Value::String(key.to_owned()),
    }
}

/// Reads an integer from a JSON number, or from text, as protobuf JSON writes those of 64 bits.
fn integer<T: TryFrom<i128>>(value: &Value, at: &Path<'_>) -> Result<T, EncodeError> {
    let wide = match value {
        Value::Number(number) => number.as_i128().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.parse::<i128>().ok(),
        _ => None,
    };
    wide.and_then(|wide| T::try_from(wide).ok())
        .ok_or_else(|| at.expected(format!("an integer ({})", std::any::type_name::<T>()), value))
}

/// Converts a float to an integer: `1.0` and `1e3` are integers too.
fn whole(number: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i128)
}

fn double(value: &Value, at: &Path<'_>) -> Result<f64, EncodeError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(|| at.expected("a number", value))
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}
