//! TLS that this proxy originates to services outside the mesh, which know nothing of the mesh.

use serde::Serialize;

use super::{NamePattern, TlsVersion, is_default, name_of};

/// TLS settings for dialling a service outside the mesh. An absent setting makes the proxy stricter, never more
/// lenient.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideTls {
    /// Server name sent in the handshake (SNI); empty: none.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub server_name: String,
    /// `true`: the certificate is not verified, neither its issuer nor its name, and any server is accepted.
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub anybody: bool,
    /// Name of the secret with the authorities that may have signed its certificate; empty: they are in `anchors_pem`.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub trust: String,
    /// Those authorities, in PEM; empty where `trust` is empty, too: the trust store of the proxy's host.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub anchors_pem: String,
    /// DNS names, one of which its certificate must have; empty, with `addresses` empty too: any name is accepted.
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub dns_names: Vec<NamePattern>,
    /// IP addresses that are accepted as an alternative to `dns_names`.
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub addresses: Vec<NamePattern>,
    /// Oldest TLS version; absent: 1.2.
    #[prost(enumeration = "TlsVersion", tag = "7")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub min_version: i32,
    /// Newest TLS version; absent: 1.3.
    #[prost(enumeration = "TlsVersion", tag = "8")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub max_version: i32,
    /// Name of the secret with the client certificate; empty: none is presented.
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub certificate: String,
}
