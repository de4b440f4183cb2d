//! TLS as transport sockets (spec 04 §8.2, §9.2, §12.2).

use plan::{ExternalTls, Identity, Mtls, ProxyTls, Session};
use serde_json::{Map, Value, json};

use super::CertificateKey;
use super::destinations::Destinations;
use super::words::{extension, object, secret};

const UPSTREAM: &str = "extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const DOWNSTREAM: &str = "extensions.transport_sockets.tls.v3.DownstreamTlsContext";

fn socket(message: &str, context: Map<String, Value>) -> Value {
    extension("envoy.transport_sockets.tls", message, context)
}

/// The names of the secrets that proxies prove themselves with, and check others against.
struct Secrets {
    identity: String,
    authority: String,
}

impl Secrets {
    fn of(mtls: Option<&Mtls>, own_mesh: &str, authority_mesh: &str) -> Self {
        match mtls.map(|mtls| &mtls.identity) {
            Some(Identity::Workload { by, provider: _ }) => {
                Self { identity: by.to_string(), authority: "system_trust_bundle".into() }
            }
            Some(Identity::MeshCa { .. }) | None => Self {
                identity: format!("identity_cert:secret:{own_mesh}"),
                authority: format!("mesh_ca:secret:{authority_mesh}"),
            },
        }
    }
}

/// TLS to proxies of the mesh.
pub(super) fn to_mesh(
    tls: &ProxyTls,
    Destinations { clusters: _, mtls, mesh: own_mesh, unasked: _ }: Destinations<'_>,
) -> Value {
    let ProxyTls { sni, identities, mesh, optional: _ } = tls;
    let secrets = Secrets::of(mtls, own_mesh, mesh);
    let names: Vec<Value> =
        identities.iter().map(|id| json!({ "sanType": "URI", "matcher": { "exact": id } })).collect();
    let context = json!({
        "sni": sni,
        "commonTlsContext": {
            "alpnProtocols": ["kuma"],
            "combinedValidationContext": {
                "defaultValidationContext": { "matchTypedSubjectAltNames": names },
                "validationContextSdsSecretConfig": secret(&secrets.authority),
            },
            "tlsCertificateSdsSecretConfigs": [secret(&secrets.identity)],
        },
    });
    socket(UPSTREAM, object(context))
}

/// TLS that the proxy originates to a service outside the mesh.
pub(super) fn to_outside(tls: &ExternalTls) -> Value {
    let ExternalTls { server_name, verify } = tls;
    let mut context = json!({ "sni": server_name });
    if *verify {
        context["commonTlsContext"] = json!({
            "validationContext": {
                "trustedCa": { "filename": "/etc/ssl/certs/ca-certificates.crt" },
                "matchTypedSubjectAltNames": [{ "sanType": "DNS", "matcher": { "exact": server_name } }],
            },
        });
    }
    socket(UPSTREAM, object(context))
}

/// TLS from the outside at a gateway; `None` where the gateway only looks at the server name.
pub(super) fn at_gateway(
    session: &Session,
    hostname: &str,
    own_mesh: &str,
    key: CertificateKey,
) -> Option<Value> {
    match session {
        Session::Passthrough | Session::Unsaid => None,
        Session::CrossMesh => {
            let context = json!({
                "requireClientCertificate": true,
                "commonTlsContext": {
                    "combinedValidationContext": {
                        "defaultValidationContext": {},
                        "validationContextSdsSecretConfig": secret("mesh_ca:secret:all"),
                    },
                    "tlsCertificateSdsSecretConfigs": [secret(&format!("identity_cert:secret:{own_mesh}"))],
                },
            });
            Some(socket(DOWNSTREAM, object(context)))
        }
        Session::Terminated { certificates } => {
            let key = match key {
                CertificateKey::Rsa => "rsa",
                CertificateKey::Ecdsa => "ecdsa",
            };
            let certificates: Vec<Value> =
                certificates.iter().map(|from| secret(&format!("cert.{key}:{from}:{hostname}"))).collect();
            let context = json!({
                "requireClientCertificate": false,
                "commonTlsContext": {
                    "tlsCertificateSdsSecretConfigs": certificates,
                    "tlsParams": { "tlsMinimumProtocolVersion": "TLSv1_2" },
                },
            });
            Some(socket(DOWNSTREAM, object(context)))
        }
    }
}
