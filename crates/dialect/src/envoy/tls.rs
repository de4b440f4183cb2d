//! TLS as transport sockets (spec 04 §8.2, §9.2, §12.2).

use model::reference::ZONE_TAG;
use plan::{Identity, Mtls, PeerNames, Provider, ProxyTls, TlsTermination, Trust};
use serde_json::{Map, Value, json};

use super::CertificateKey;
use super::destinations::Destinations;
use super::tls_params::tls_params;
use super::words::{extension, object, secret};
use crate::secrets::{legacy_authority, legacy_identity, name_of_identity, name_of_trust};

pub(super) const UPSTREAM: &str = "extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const DOWNSTREAM: &str = "extensions.transport_sockets.tls.v3.DownstreamTlsContext";
/// Name of the SPIRE agent's cluster.
pub(super) const AGENT: &str = "system_identity_sds-spire-agent";
/// Name of the agent's secret with the authorities of all trust domains that it knows.
const EVERYBODY: &str = "ALL";

pub(super) fn socket(message: &str, context: Map<String, Value>) -> Value {
    extension("envoy.transport_sockets.tls", message, context)
}

/// Names of the secrets with the identity of a proxy, and with its trusted authorities.
pub(super) struct Secrets {
    pub(super) identity: Value,
    pub(super) authority: Value,
}

impl Secrets {
    /// Returns the secrets for connections with proxies of a mesh.
    pub(super) fn of(mtls: Option<&Mtls>, own_mesh: &str, mesh: &str) -> Self {
        let Some(mtls) = mtls else {
            let (identity, authority) = (legacy_identity(own_mesh), legacy_authority(mesh));
            return Self { identity: secret(&identity), authority: secret(&authority) };
        };
        let identity = match (&mtls.identity, &mtls.uris) {
            (Identity::Workload { by: _, provider: Provider::Spire { .. } }, uris) => {
                of_agent(uris.as_ref().ok().and_then(|uris| uris.first()).map_or("", String::as_str))
            }
            (Identity::MeshCa { .. } | Identity::Workload { .. }, _) => secret(&name_of_identity(mtls)),
        };
        let authority = match &mtls.trust {
            Trust::Spire => of_agent(EVERYBODY),
            Trust::Domains { .. } | Trust::MeshCa => secret(&name_of_trust(mtls, mesh)),
        };
        Self { identity, authority }
    }
}

/// Returns a secret that the SPIRE agent beside the Envoy provides.
fn of_agent(name: &str) -> Value {
    let from_agent = json!({
        "apiConfigSource": {
            "apiType": "GRPC",
            "transportApiVersion": "V3",
            "grpcServices": [{ "envoyGrpc": { "clusterName": AGENT } }],
        },
        "resourceApiVersion": "V3",
    });
    json!({ "name": name, "sdsConfig": from_agent })
}

/// Returns the TLS to proxies of the mesh.
pub(super) fn to_mesh(tls: &ProxyTls, destinations: Destinations<'_>) -> Value {
    by_name(tls, &tls.sni, destinations)
}

/// Returns the TLS to proxies of the mesh behind an ingress which routes by another name, by zone.
pub(super) fn to_zones(tls: &ProxyTls, destinations: Destinations<'_>) -> Vec<Value> {
    let of_zone = |(zone, sni): (&String, &String)| json!({ "name": zone, "match": { ZONE_TAG: zone }, "transportSocket": by_name(tls, sni, destinations) });
    tls.sni_of_zones.iter().map(of_zone).collect()
}

fn by_name(tls: &ProxyTls, name: &str, destinations: Destinations<'_>) -> Value {
    let ProxyTls { sni: _, sni_of_zones: _, peers, mesh, optional: _, params } = tls;
    let Destinations { clusters: _, mtls, mesh: own_mesh, over_ipv6: _, unasked: _ } = destinations;
    let Secrets { identity, authority } = Secrets::of(mtls, own_mesh, mesh);
    let by_uri = |how: &str, text: &str| json!({ "sanType": "URI", "matcher": { how: text } });
    let accepted = match peers {
        PeerNames::Any => json!({}),
        PeerNames::Exact(uris) => {
            let names: Vec<Value> = uris.iter().map(|uri| by_uri("exact", uri)).collect();
            json!({ "matchTypedSubjectAltNames": names })
        }
        PeerNames::Prefix(start) => json!({ "matchTypedSubjectAltNames": [by_uri("prefix", start)] }),
    };
    let mut context = json!({
        "sni": name,
        "commonTlsContext": {
            "alpnProtocols": ["kuma"],
            "combinedValidationContext": {
                "defaultValidationContext": accepted,
                "validationContextSdsSecretConfig": authority,
            },
            "tlsCertificateSdsSecretConfigs": [identity],
        },
    });
    if let Some(params) = tls_params(params) {
        context["commonTlsContext"]["tlsParams"] = params;
    }
    socket(UPSTREAM, object(context))
}

/// Returns the TLS from outside at a gateway; `None`: the gateway only reads the server name.
pub(super) fn at_gateway(
    session: &TlsTermination,
    hostname: &str,
    own_mesh: &str,
    key: CertificateKey,
) -> Option<Value> {
    match session {
        // TLS of a mesh ends by server name at zone proxies only
        TlsTermination::Passthrough | TlsTermination::Unsaid | TlsTermination::Mtls(_) => None,
        TlsTermination::CrossMesh => {
            let context = json!({
                "requireClientCertificate": true,
                "commonTlsContext": {
                    "combinedValidationContext": {
                        "defaultValidationContext": {},
                        "validationContextSdsSecretConfig": secret(&legacy_authority("all")),
                    },
                    "tlsCertificateSdsSecretConfigs": [secret(&legacy_identity(own_mesh))],
                },
            });
            Some(socket(DOWNSTREAM, object(context)))
        }
        TlsTermination::Terminated { certificates } => {
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
