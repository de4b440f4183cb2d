//! Termination of mesh TLS at an inbound (spec 07 §9.3, §9.6, §9.7).

use plan::Terminated;
use serde_json::{Value, json};

use super::tls::Secrets;
use super::tls_params::tls_params;
use super::words::{extension, object};

/// Returns the transport socket of a chain that terminates mesh TLS.
pub(super) fn socket(terminated: &Terminated) -> Value {
    let Terminated { mtls, permissive: _, mode_by: _, params, peer_prefixes, permissions: _, counted_as: _ } =
        terminated;
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
