//! Certificates that a proxy presents, and authorities that it trusts. A key is in no debug output, and in no JSON.

use std::fmt;

use serde::Serialize;

/// Certificate with its key, or trusted authorities. A resource of its own, so that a renewal changes nothing else.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Name that listeners and clusters refer to; the same as for an Envoy.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Certificate with its key; absent in a secret that holds trusted authorities.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Trusted authorities; absent in a secret that holds a certificate.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

/// Certificate and its private key.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Certificate and the intermediate authorities up to a trusted one, in PEM.
    #[prost(string, tag = "1")]
    pub chain_pem: String,
    /// Private key of the certificate, in PEM.
    #[prost(string, tag = "2")]
    #[serde(skip)]
    pub key_pem: String,
}

/// Trusted authorities; empty: no peer is trusted.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// Authorities that are trusted for every name, in PEM; used only without `domains`.
    #[prost(string, tag = "1")]
    pub anchors_pem: String,
    /// Authorities by trust domain, sorted; if there are any, the first URI name of a peer selects the domain.
    #[prost(message, repeated, tag = "2")]
    pub domains: Vec<TrustDomain>,
}

/// Authorities of a trust domain.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustDomain {
    /// Name of the trust domain, as behind `spiffe://`.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Authorities of the trust domain, in PEM.
    #[prost(string, tag = "2")]
    pub anchors_pem: String,
}

impl fmt::Debug for Certificate {
    /// Formats the certificate without its key.
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
