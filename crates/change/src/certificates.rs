//! Who has which certificate, as an API tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::ProxyKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The certificates of the proxies that attach to the control planes of a store, and the authorities that sign them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl CertificateReport {
    /// The proxies that have a certificate, each with what is known of it.
    pub fn certified(&self) -> impl Iterator<Item = (ProxyKey, &CertificateRow)> {
        let have = self.proxies.iter().filter(|row| row.serial.is_some());
        have.map(|row| (ProxyKey::new(row.mesh.as_str(), row.name.as_str()), row))
    }

    /// The same with what other control planes on the store tell of their proxies. A proxy that moved over is known to both for a
    /// moment: the certificate that was made last counts.
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

/// That certificates are to be made anew, as control planes on one store tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// What tells it from others.
    pub id: Arc<str>,
    /// Of which mesh; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<String>,
    /// Of which proxy of the mesh; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl Rotation {
    /// Whether it is about the certificate of a proxy.
    pub fn concerns(&self, mesh: &str, proxy: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        is(&self.mesh, mesh) && is(&self.proxy, proxy)
    }
}

/// A secret that proxies need to dial a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRow {
    /// Its mesh.
    pub mesh: String,
    /// Its name.
    pub name: String,
    /// The control plane that it attaches to, where that is not the one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<String>,
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
