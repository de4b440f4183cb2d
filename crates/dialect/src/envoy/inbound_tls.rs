//! Mesh TLS that ends at an inbound (spec 07 §9.3, §9.6, §9.7).

use model::policy::{TlsCipher, TlsVersion};
use plan::{Sourced, Terminated, TlsParams};
use serde_json::{Map, Value, json};

use super::tls::Secrets;
use super::words::{extension, object};

/// The transport socket of a chain that ends mesh TLS.
pub(super) fn socket(terminated: &Terminated) -> Value {
    let Terminated { mtls, permissive: _, mode_by: _, params, peer_prefixes, permissions: _ } = terminated;
    let names: Vec<Value> = peer_prefixes
        .iter()
        .map(|prefix| json!({ "sanType": "URI", "matcher": { "prefix": prefix } }))
        .collect();
    let accepted = if names.is_empty() { json!({}) } else { json!({ "matchTypedSubjectAltNames": names }) };
    let Secrets { identity, authority } = Secrets::of(Some(mtls.as_ref()), &mtls.mesh, &mtls.mesh);
    let mut common = object(json!({
        "combinedValidationContext": {
            "defaultValidationContext": accepted,
            "validationContextSdsSecretConfig": authority,
        },
        "tlsCertificateSdsSecretConfigs": [identity],
    }));
    common.extend(tls_params(params).map(|params| ("tlsParams".to_owned(), params)));
    let context = object(json!({ "requireClientCertificate": true, "commonTlsContext": common }));
    extension(
        "envoy.transport_sockets.tls",
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        context,
    )
}

/// Versions and ciphers; absent where nobody says any.
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
