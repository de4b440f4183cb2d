//! `envoy.extensions.transport_sockets.tls.v3.Secret`, as far as it is used. Not a tree like the rest: no printable
//! value may contain a key.

use std::collections::BTreeMap;

use prost::Message;
use xds::proto::discovery::Any;

const SPIFFE_CONFIG: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Secret {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    tls_certificate: Option<TlsCertificate>,
    #[prost(message, optional, tag = "4")]
    validation_context: Option<ValidationContext>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct TlsCertificate {
    #[prost(message, optional, tag = "1")]
    certificate_chain: Option<DataSource>,
    #[prost(message, optional, tag = "2")]
    private_key: Option<DataSource>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct DataSource {
    /// Member of a oneof: written even if empty.
    #[prost(bytes = "vec", optional, tag = "2")]
    inline_bytes: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct ValidationContext {
    #[prost(message, optional, tag = "1")]
    trusted_ca: Option<DataSource>,
    #[prost(message, optional, tag = "12")]
    custom_validator_config: Option<TypedExtensionConfig>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct TypedExtensionConfig {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    typed_config: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct SpiffeConfig {
    #[prost(message, repeated, tag = "1")]
    trust_domains: Vec<TrustDomain>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct TrustDomain {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    trust_bundle: Option<DataSource>,
}

/// Encodes a certificate and its key.
pub(super) fn certificate(name: &str, chain: &str, key: &str) -> Vec<u8> {
    let tls_certificate = TlsCertificate { certificate_chain: inline(chain), private_key: inline(key) };
    let name = name.to_owned();
    Secret { name, tls_certificate: Some(tls_certificate), validation_context: None }.encode_to_vec()
}

/// Encodes authorities that are trusted for every name; without any, no peer is.
pub(super) fn authority(name: &str, pem: &str) -> Vec<u8> {
    let context = ValidationContext { trusted_ca: inline(pem), custom_validator_config: None };
    validation(name, context)
}

/// Encodes authorities by trust domain; a domain without any is not trusted.
pub(super) fn domains(name: &str, domains: &BTreeMap<String, String>) -> Vec<u8> {
    let believed = domains.iter().filter(|(_, pem)| !pem.is_empty());
    let trust_domains =
        believed.map(|(name, pem)| TrustDomain { name: name.clone(), trust_bundle: inline(pem) });
    let config = SpiffeConfig { trust_domains: trust_domains.collect() };
    let typed_config = Any { type_url: SPIFFE_CONFIG.into(), value: config.encode_to_vec().into() };
    let extension = TypedExtensionConfig {
        name: "envoy.tls.cert_validator.spiffe".into(),
        typed_config: Some(typed_config),
    };
    validation(name, ValidationContext { trusted_ca: None, custom_validator_config: Some(extension) })
}

fn validation(name: &str, context: ValidationContext) -> Vec<u8> {
    let name = name.to_owned();
    Secret { name, tls_certificate: None, validation_context: Some(context) }.encode_to_vec()
}

fn inline(pem: &str) -> Option<DataSource> {
    Some(DataSource { inline_bytes: Some(pem.as_bytes().to_vec()) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use xds::TypeUrl;
    use xds::order::ENVOY_SECRET;

    use super::*;

    /// Decodes the bytes by Envoy's own description of the message.
    fn read(body: &[u8]) -> Value {
        crate::decode(&TypeUrl::new(ENVOY_SECRET), body).unwrap()
    }

    #[test]
    fn envoy_reads_what_was_meant() {
        let own = read(&certificate("own", "chain", "key"));
        assert_eq!(own["name"], "own");
        assert_eq!(
            own["tlsCertificate"],
            json!({ "certificateChain": { "inlineBytes": "Y2hhaW4=" }, "privateKey": { "inlineBytes": "a2V5" } })
        );
        let none = read(&authority("ca", ""));
        assert_eq!(none["validationContext"], json!({ "trustedCa": { "inlineBytes": "" } }));
    }
}
