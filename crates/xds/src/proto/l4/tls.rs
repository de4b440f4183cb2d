//! TLS that this proxy terminates or originates. Certificates and authorities are messages of their own, see
//! [`Secret`](super::Secret).

use serde::Serialize;

use super::{is_default, name_of};

/// TLS termination of a listener; every client must present a certificate.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTls {
    /// `true`: plaintext, and TLS without the protocol `kuma`, are passed through.
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub permissive: bool,
    /// Certificates, trust and versions of the handshake.
    #[prost(message, optional, tag = "2")]
    pub terms: Option<TlsTerms>,
}

/// TLS settings for dialling a cluster.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// Server name sent in the handshake (SNI), at most 255 arbitrary bytes; empty: none.
    #[prost(string, tag = "1")]
    pub server_name: String,
    /// Application protocols that are offered (ALPN).
    #[prost(string, repeated, tag = "2")]
    pub protocols: Vec<String>,
    /// Certificates, trust and versions of the handshake.
    #[prost(message, optional, tag = "3")]
    pub terms: Option<TlsTerms>,
    /// Server names that replace `server_name` for endpoints of some zones.
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub zones: Vec<ServerNameOfZone>,
}

/// Server name for endpoints of a zone.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerNameOfZone {
    /// Name of the zone.
    #[prost(string, tag = "1")]
    pub zone: String,
    /// Server name sent in the handshake, as in [`ClientTls`].
    #[prost(string, tag = "2")]
    pub server_name: String,
}

/// Certificates, trust and versions of a handshake. If a named secret is missing, no connection is made, never a
/// plaintext one.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsTerms {
    /// Name of the secret with the certificate of this proxy.
    #[prost(string, tag = "1")]
    pub certificate: String,
    /// Name of the secret with the trusted authorities.
    #[prost(string, tag = "2")]
    pub trust: String,
    /// Accepted URI names of the peer, alternatives; none: every trusted peer is accepted.
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub names: Vec<NamePattern>,
    /// Oldest TLS version; absent: 1.2.
    #[prost(enumeration = "TlsVersion", tag = "4")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub min_version: i32,
    /// Newest TLS version; absent: 1.3.
    #[prost(enumeration = "TlsVersion", tag = "5")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub max_version: i32,
    /// Cipher suites of TLS 1.2, by their OpenSSL names; none: all that this proxy supports.
    #[prost(string, repeated, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub ciphers: Vec<String>,
}

/// Pattern of a peer's URI name: a whole name or a prefix.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamePattern {
    /// Whole name; empty with `prefix`.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub exact: String,
    /// Prefix of the name; empty with `exact`.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
}

/// TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum TlsVersion {
    /// Default of this proxy.
    Auto = 0,
    /// TLS 1.2.
    Tls12 = 1,
    /// TLS 1.3.
    Tls13 = 2,
}
