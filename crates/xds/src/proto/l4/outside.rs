//! TLS that this proxy begins to services outside the mesh, which know nothing of it.

use serde::Serialize;

use super::{NamePattern, TlsVersion, is_default, name_of};

/// How a service outside the mesh is dialled by TLS. What is not said makes the proxy more careful, never less.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideTls {
    /// The server name that is asked for (SNI); empty: none is.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub server_name: String,
    /// Whether whoever answers is taken for the service; then it matters to nobody who signed its certificate, and for which name.
    #[prost(bool, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub anybody: bool,
    /// The secret with the authorities one of which must have signed its certificate; empty: `anchors_pem` has them.
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub trust: String,
    /// Those authorities, in PEM; empty where `trust` is, too: those that the host of the proxy believes.
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub anchors_pem: String,
    /// The DNS names one of which its certificate must have; without any, and without `addresses`: any will do.
    #[prost(message, repeated, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub dns_names: Vec<NamePattern>,
    /// The IP addresses that will do as well.
    #[prost(message, repeated, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub addresses: Vec<NamePattern>,
    /// The oldest version; absent: 1.2.
    #[prost(enumeration = "TlsVersion", tag = "7")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub min_version: i32,
    /// The newest version; absent: 1.3.
    #[prost(enumeration = "TlsVersion", tag = "8")]
    #[serde(serialize_with = "name_of::<_, TlsVersion>", skip_serializing_if = "is_default")]
    pub max_version: i32,
    /// The secret with the certificate that is shown to it; empty: none is.
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub certificate: String,
}
