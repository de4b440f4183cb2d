//! Who has which certificate, as an API tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The certificates of the proxies that attach to a control plane, and the authorities that sign them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateReport {
    /// The authorities, by mesh and name.
    pub authorities: Vec<AuthorityRow>,
    /// The proxies that asked for a certificate, by mesh and name.
    pub proxies: Vec<CertificateRow>,
    /// What proxies need to dial services outside the mesh, by part, mesh and service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<OutsideRow>,
}

/// A secret that proxies need to dial a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideRow {
    /// Its mesh.
    pub mesh: String,
    /// The MeshExternalService.
    pub service: String,
    /// What it is: `authority`, or `client certificate`.
    pub part: String,
    /// When the first of its certificates ends; absent: it cannot be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Why it cannot be loaded, and nobody dials the service; absent: it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityRow {
    /// Its mesh.
    pub mesh: String,
    /// Which it is: the CA of the mesh, or a MeshIdentity.
    pub name: String,
    /// When its certificate ends; absent: it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Why it signs nothing; absent: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many authorities that it replaced are still believed.
    pub former: usize,
}

/// The certificate of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    /// Its mesh.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// Who signs, as in [`AuthorityRow::name`].
    pub authority: String,
    /// Its URI names, in their order.
    pub uris: Vec<String>,
    /// The serial number of its certificate, in hexadecimal digits; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// When that was made; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// When that ends; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// When it is made anew; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<Timestamp>,
    /// How many certificates were made for it since it attached.
    pub made_count: u64,
    /// Why it has none, or no new one; absent: nothing is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
