//! Versions and ciphers of mesh TLS (spec 07 §10).

use model::policy::{TlsCipher, TlsVersion};
use plan::{Sourced, TlsParams};
use serde_json::{Map, Value};

/// Returns versions and ciphers; absent: none are set.
pub(super) fn tls_params(TlsParams { min, max, ciphers }: &TlsParams) -> Option<Value> {
    let version = |said: &Option<Sourced<TlsVersion>>| {
        said.as_ref().map(|said| match said.value {
            TlsVersion::Auto => "TLS_AUTO",
            TlsVersion::V1_0 => "TLSv1_0",
            TlsVersion::V1_1 => "TLSv1_1",
            TlsVersion::V1_2 => "TLSv1_2",
            TlsVersion::V1_3 => "TLSv1_3",
        })
    };
    let ciphers = ciphers.as_ref().filter(|said| !said.value.is_empty());
    let members = [
        ("tlsMinimumProtocolVersion", version(min).map(Value::from)),
        ("tlsMaximumProtocolVersion", version(max).map(Value::from)),
        (
            "cipherSuites",
            ciphers.map(|said| said.value.iter().map(|cipher: &TlsCipher| cipher.as_str()).collect()),
        ),
    ];
    let said: Map<String, Value> =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (!said.is_empty()).then(|| said.into())
}
