//! What a proxy proves itself with, and whom it believes. Its key is in no debug output, and in no JSON.

use std::fmt;

use serde::Serialize;

/// A certificate with its key, or the authorities that are believed. Has a life of its own: a renewal changes nothing else.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// The name that listeners and clusters use; the same that an Envoy is told.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The certificate; absent where the secret says whom to believe.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Whom to believe; absent where the secret is a certificate.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The certificate, and the authorities between it and one that is believed, in PEM.
    #[prost(string, tag = "1")]
    pub chain_pem: String,
    /// Its private key, in PEM.
    #[prost(string, tag = "2")]
    #[serde(skip)]
    pub key_pem: String,
}

/// The authorities that are believed; without any, nobody is.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// Authorities that are believed for every name, in PEM; used where there are no domains.
    #[prost(string, tag = "1")]
    pub anchors_pem: String,
    /// Authorities by trust domain, sorted; where there are some, the first URI name of a peer says whose are asked.
    #[prost(message, repeated, tag = "2")]
    pub domains: Vec<TrustDomain>,
}

/// The authorities of a trust domain.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustDomain {
    /// Its name, as behind `spiffe://`.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Its authorities, in PEM.
    #[prost(string, tag = "2")]
    pub anchors_pem: String,
}

impl fmt::Debug for Certificate {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain_pem", &self.chain_pem).finish_non_exhaustive()
    }
}

/// Name of the secret with the authorities of the SPIRE agent beside the proxy.
pub const AGENT_TRUST: &str = "spire-trust";

/// Prefix of a SPIFFE ID in the name of the secret with its certificate, issued by such an agent.
const AGENT_CERTIFICATE: &str = "spire:";

/// Name of the secret with the certificate of a SPIFFE ID, issued by such an agent.
pub fn agent_certificate(id: &str) -> String {
    format!("{AGENT_CERTIFICATE}{id}")
}

/// SPIFFE ID of a certificate by the name of its secret; `None`: not a certificate of such an agent.
pub fn id_of(secret: &str) -> Option<&str> {
    secret.strip_prefix(AGENT_CERTIFICATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_no_debug_output_and_in_no_json() {
        let certificate = Certificate { chain_pem: "chain".into(), key_pem: "the-key".into() };
        let secret = Secret { name: "own".into(), certificate: Some(certificate), trust: None };
        let shown = format!("{secret:?}{}", serde_json::to_string(&secret).unwrap());
        assert!(shown.contains("chain") && !shown.contains("the-key"), "{shown}");
    }
}
