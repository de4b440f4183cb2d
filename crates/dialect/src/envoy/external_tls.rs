//! TLS that an Envoy originates to a service outside the mesh (spec 07 §15).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::policy::TlsVersion;
use plan::{Authority, Endpoint, ExternalName, ExternalPeer, ExternalTls, OutsideTls};
use serde_json::{Value, json};

use super::endpoint;
use super::tls::{UPSTREAM, socket};
use super::words::{object, secret};

/// File with the authorities that the host of an Envoy trusts.
const HOST: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Returns the transport sockets, by tags, of endpoints whose TLS differs. Those in plaintext have none.
pub(super) fn to_each(tls: &OutsideTls, endpoints: &[Endpoint]) -> Value {
    let of_endpoint = |it: &Endpoint| {
        let socket = to_outside(tls.to(&it.offered_by)?);
        Some(json!({ "name": it.address, "match": endpoint::tags(it), "transportSocket": socket }))
    };
    endpoints.iter().filter_map(of_endpoint).collect()
}

/// Returns the transport socket.
pub(super) fn to_outside(tls: &ExternalTls) -> Value {
    let ExternalTls { server_name, verify, client_certificate } = tls;
    let mut context = json!({});
    if let Some(name) = server_name {
        context["sni"] = name.as_str().into();
    }
    let mut common = json!({});
    if let ExternalPeer::Certified { by, names, min, max } = verify {
        for (name, said) in [("tlsMinimumProtocolVersion", min), ("tlsMaximumProtocolVersion", max)] {
            if let Some(said) = said {
                common["tlsParams"][name] = version(*said).into();
            }
        }
        let mut checks = json!({});
        if !names.is_empty() {
            checks["matchTypedSubjectAltNames"] = names.iter().map(matcher).collect();
        }
        match by {
            Authority::Host => checks["trustedCa"] = json!({ "filename": HOST }),
            Authority::Inline(pem) => {
                checks["trustedCa"] = json!({ "inlineBytes": STANDARD.encode(pem.as_bytes()) });
            }
            Authority::Secret(named) => {
                common["combinedValidationContext"] = json!({
                    "defaultValidationContext": checks.take(),
                    "validationContextSdsSecretConfig": secret(&named.to_string()),
                });
            }
        }
        if !checks.is_null() {
            common["validationContext"] = checks;
        }
    }
    if let Some(shown) = client_certificate {
        common["tlsCertificateSdsSecretConfigs"] = json!([secret(&shown.to_string())]);
    }
    if common != json!({}) {
        context["commonTlsContext"] = common;
    }
    socket(UPSTREAM, object(context))
}

fn matcher(ExternalName { is_address, is_prefix, name }: &ExternalName) -> Value {
    let sort = if *is_address { "IP_ADDRESS" } else { "DNS" };
    let how = if *is_prefix { "prefix" } else { "exact" };
    json!({ "sanType": sort, "matcher": { how: name } })
}

fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Auto => "TLS_AUTO",
        TlsVersion::V1_0 => "TLSv1_0",
        TlsVersion::V1_1 => "TLSv1_1",
        TlsVersion::V1_2 => "TLSv1_2",
        TlsVersion::V1_3 => "TLSv1_3",
    }
}
