//! TLS that this proxy ends or begins. Certificates and authorities have messages of their own, see [`Secret`](super::Secret).

use serde::Serialize;

use super::{is_default, name_of};

/// How a listener ends the TLS of its clients, each of which must prove who it is.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTls {
    /// Whether plaintext, and TLS without the protocol `kuma`, are passed on as they are.
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub permissive: bool,
    /// What is proven, and how it is spoken.
    #[prost(message, optional, tag = "2")]
    pub terms: Option<TlsTerms>,
}

/// How a cluster is dialled by TLS.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// The server name that is asked for (SNI), at most 255 bytes of any sort; empty: none is.
    #[prost(string, tag = "1")]
    pub server_name: String,
    /// The protocols that are offered (ALPN).
    #[prost(string, repeated, tag = "2")]
    pub protocols: Vec<String>,
    /// What is proven, and how it is spoken.
    #[prost(message, optional, tag = "3")]
    pub terms: Option<TlsTerms>,
    /// Other server names, for endpoints of some zones.
    #[prost(message, repeated, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub zones: Vec<ServerNameOfZone>,
}

/// The server name for endpoints of a zone.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerNameOfZone {
    /// The zone.
    #[prost(string, tag = "1")]
    pub zone: String,
    /// The server name that is asked for, as in [`ClientTls`].
    #[prost(string, tag = "2")]
    pub server_name: String,
}

/// What is proven in a handshake, and how it is spoken. A secret that is named and not there: nobody is talked to, and never in
/// plaintext.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsTerms {
    /// The secret with the certificate of this proxy.
    #[prost(string, tag = "1")]
    pub certificate: String,
    /// The secret that says which authorities are believed.
    #[prost(string, tag = "2")]
    pub trust: String,
    /// The URI names that are welcome, alternatives; none: all who are believed are welcome.
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub names: Vec<NamePattern>,
    /// The oldest version; absent: 1.2.
    #[prost(enumeration = "TlsVersion", tag = "4")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub min_version: i32,
    /// The newest version; absent: 1.3.
    #[prost(enumeration = "TlsVersion", tag = "5")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub max_version: i32,
    /// The cipher suites of TLS 1.2, by OpenSSL's names; none: all that this proxy knows.
    #[prost(string, repeated, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub ciphers: Vec<String>,
}

/// A URI name of a peer, whole or its beginning.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamePattern {
    /// The whole name; empty with `prefix`.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub exact: String,
    /// The beginning of the name; empty with `exact`.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum TlsVersion {
    /// As this proxy has it.
    Auto = 0,
    /// 1.2
    Tls12 = 1,
    /// 1.3
    Tls13 = 2,
}
