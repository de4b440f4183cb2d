//! Certificates of proxies, as an API reports them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::ProxyKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Certificates of the proxies that attach to the control planes of a store, and the authorities that sign them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateReport {
    /// Authorities, by mesh and name.
    pub authorities: Vec<AuthorityRow>,
    /// Proxies that asked for a certificate, by mesh and name.
    pub proxies: Vec<CertificateRow>,
    /// Secrets that proxies need to dial services outside the mesh, by part, mesh and service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<OutsideRow>,
}

impl CertificateReport {
    /// Proxies that have a certificate, each with its row.
    pub fn certified(&self) -> impl Iterator<Item = (ProxyKey, &CertificateRow)> {
        let have = self.proxies.iter().filter(|row| row.serial.is_some());
        have.map(|row| (ProxyKey::new(row.mesh.as_str(), row.name.as_str()), row))
    }

    /// Returns the report with the rows of other control planes on the store added. A proxy that moved is known to
    /// both for a moment: the certificate that was issued last counts.
    #[must_use]
    pub fn with(&self, elsewhere: &[Arc<CertificateRow>]) -> Self {
        let mut proxies: BTreeMap<(String, String), &CertificateRow> = BTreeMap::new();
        for row in self.proxies.iter().chain(elsewhere.iter().map(|row| &**row)) {
            let known = proxies.entry((row.mesh.clone(), row.name.clone())).or_insert(row);
            if row.made > known.made {
                *known = row;
            }
        }
        Self { proxies: proxies.into_values().cloned().collect(), ..self.clone() }
    }
}

/// Order to renew certificates, as exchanged by control planes on one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationOrder {
    /// Unique ID of the order.
    pub id: Arc<str>,
    /// Mesh whose certificates are renewed; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<String>,
    /// Proxy of the mesh whose certificate is renewed; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl RotationOrder {
    /// Returns `true` if the order covers the certificate of a proxy.
    pub fn concerns(&self, mesh: &str, proxy: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        is(&self.mesh, mesh) && is(&self.proxy, proxy)
    }
}

/// Secret that proxies need to dial a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutsideRow {
    /// Mesh of the service.
    pub mesh: String,
    /// Name of the MeshExternalService.
    pub service: String,
    /// Purpose of the secret: `authority`, or `client certificate`.
    pub part: String,
    /// Expiry of the first of its certificates to expire; absent: it cannot be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Reason why it cannot be loaded, so that no proxy dials the service; absent: it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Authority that signs certificates of proxies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityRow {
    /// Mesh of the authority.
    pub mesh: String,
    /// Name of the authority: the CA of the mesh, or a MeshIdentity.
    pub name: String,
    /// Expiry of its certificate; absent: it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Reason why it signs nothing; absent: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Number of replaced authorities that are still trusted.
    pub former: usize,
}

/// Certificate of a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    /// Mesh of the proxy.
    pub mesh: String,
    /// Name of the proxy.
    pub name: String,
    /// Control plane that it attaches to; absent: the one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<String>,
    /// Signing authority, as in [`AuthorityRow::name`].
    pub authority: String,
    /// URI names of the certificate, in their order.
    pub uris: Vec<String>,
    /// Serial number of its certificate, in hexadecimal digits; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Time of issue; absent: no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Timestamp>,
    /// Expiry; absent: no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Time of renewal; absent: no certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<Timestamp>,
    /// Number of certificates issued for it since it attached.
    pub made_count: u64,
    /// Reason why it has no certificate, or no renewed one; absent: there is no problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, made: Option<i64>, control_plane: Option<&str>) -> CertificateRow {
        CertificateRow {
            mesh: "shop".into(),
            name: name.into(),
            control_plane: control_plane.map(str::to_owned),
            authority: "mesh CA".into(),
            uris: Vec::new(),
            serial: made.map(|made| made.to_string()),
            made: made.map(|made| Timestamp::from_second(made).unwrap()),
            ends: None,
            renews: None,
            made_count: 1,
            why: None,
        }
    }

    #[test]
    fn the_newest_certificate_of_a_proxy_counts_wherever_it_attaches() {
        let own = CertificateReport {
            proxies: vec![row("moved", Some(1), None), row("waits", None, None)],
            ..CertificateReport::default()
        };
        let there = Some("cp-2");
        let elsewhere = ["moved", "other", "waits"].map(|name| Arc::new(row(name, Some(2), there)));
        let all = own.with(&elsewhere);
        let told: Vec<_> =
            all.proxies.iter().map(|row| (row.name.as_str(), row.control_plane.as_deref())).collect();
        assert_eq!(told, [("moved", there), ("other", there), ("waits", there)]);
        let older = [Arc::new(row("moved", Some(0), there))];
        assert_eq!(own.with(&older), own);
    }
}
