//! Values of attributes.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// Whole number.
    Number(u64),
    /// List of texts.
    Texts(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<Value> for AnyValue {
    fn from(value: Value) -> Self {
        let value = match value {
            Value::Text(text) => Any::StringValue(text),
            // the message has no larger numbers
            Value::Number(number) => Any::IntValue(i64::try_from(number).unwrap_or(i64::MAX)),
            Value::Texts(texts) => {
                let values = texts.into_iter().map(|text| Value::Text(text).into()).collect();
                Any::ArrayValue(ArrayValue { values })
            }
        };
        Self { value: Some(value) }
    }
}

/// Creates an attribute.
pub(crate) fn attribute(key: impl Into<String>, value: impl Into<Value>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value.into().into()), ..KeyValue::default() }
}
