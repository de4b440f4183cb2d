//! Settings with their origin, their name, and their value in words.

use std::time::Duration;

use model::declared::{DataPath, OnWeightChange, ProxyProtocol, Sticky};
use model::policy::{
    HealthCheck, LoadBalancer, Locality, OutlierDetection, Percent, TlsCipher, TlsVersion, format_duration,
};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Mirror, PolicyOrigin, words};

/// Value and the policy that it comes from. As JSON `{value, policy}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sourced<T> {
    /// Value of the setting.
    pub value: T,
    /// Policy that set it.
    pub origin: PolicyOrigin,
}

impl<T: SettingValue> Serialize for Sourced<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, origin } = self;
        let mut sourced = serializer.serialize_struct("Sourced", 2)?;
        sourced.serialize_field("value", &value.shown())?;
        sourced.serialize_field("policy", origin)?;
        sourced.end()
    }
}

/// Value of a setting that can be shown in the JSON of a plan.
pub trait SettingValue {
    /// Returns the value: durations as `1m30s`, alternatives by their words.
    fn shown(&self) -> Value;
}

macro_rules! shown {
    ($($type:ty: |$value:ident| $shown:expr),+ $(,)?) => {
        $(impl SettingValue for $type {
            fn shown(&self) -> Value {
                let $value = self;
                json!($shown)
            }
        })+
    };
}

shown!(
    bool: |flag| flag,
    u32: |number| number,
    Duration: |duration| format_duration(*duration),
    Percent: |percent| percent,
    Sticky: |sticky| sticky.as_str(),
    OnWeightChange: |existing| existing.as_str(),
    ProxyProtocol: |version| version.as_str(),
    DataPath: |path| path.as_str(),
    LoadBalancer: |balancer| balancer,
    Locality: |locality| words::locality(locality),
    HealthCheck: |check| check,
    OutlierDetection: |detection| detection,
    Mirror: |mirror| words::mirror(mirror),
    TlsVersion: |version| version.as_str(),
    Vec<TlsCipher>: |ciphers| ciphers.iter().map(|cipher| cipher.as_str()).collect::<Vec<_>>(),
);

/// Declares settings, each with its type, its name in explanations, and its value in words.
///
/// The names in JSON are those of the fields, absent ones are null. A new setting is one line here; the compiler
/// then points to the places that must handle it.
macro_rules! settings {
    ($(#[$about:meta])* $name:ident {
        $($(#[$of_field:meta])* $field:ident: $type:ty, $called:literal, $words:expr;)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$of_field])* pub $field: $type,)+
        }

        impl $name {
            /// Returns the settings that were set: name, value in words, and origin.
            pub(crate) fn explained(&self) -> Vec<(&'static str, String, &PolicyOrigin)> {
                let Self { $($field),+ } = self;
                let mut explained = Vec::new();
                $(explained.extend($field.iter().map(|said| ($called, $words(&said.value), &said.origin)));)+
                explained
            }
        }
    };
}

pub(super) use settings;
