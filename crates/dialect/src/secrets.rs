//! What proxies prove themselves with and whom they believe, as secrets in their own words (spec 07 §6).
//!
//! Secrets are part of no plan: they travel beside what is published, on the same stream, and live their own life.

mod envoy;
mod outside;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use plan::{Identity, Mtls, Trust};
use xds::order::ENVOY_SECRET;
use xds::proto::l4;
use xds::{Family, ResourceSet, TypeUrl};

pub use outside::OutsideSecret;

/// The secret with all trust domains.
const BUNDLE: &str = "system_trust_bundle";

/// A private key in PEM. It is in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Arc<str>);

impl PrivateKey {
    /// Takes a key in PEM.
    pub fn new(pem: impl Into<Arc<str>>) -> Self {
        Self(pem.into())
    }

    /// The key, for whoever hands it to its proxy.
    pub fn pem(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// What one proxy proves itself with, and whom it believes. All in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its certificate.
    pub chain: Arc<str>,
    /// The key of its certificate.
    pub key: PrivateKey,
    /// The authorities of meshes, by mesh; one that cannot be read is empty, and nobody of it is believed.
    pub authorities: Arc<BTreeMap<String, String>>,
    /// The authorities of trust domains, by domain; `None`: the proxy believes the authority of its mesh.
    pub domains: Option<BTreeMap<String, String>>,
}

impl Credentials {
    /// The secrets of a proxy, by the names that its listeners and clusters use. An Envoy asks for those that it needs.
    pub fn said(&self, mtls: &Mtls, family: Family) -> ResourceSet {
        match family {
            Family::Envoy => self.to_envoy(mtls),
            Family::L4 => self.to_l4(mtls),
        }
    }

    fn to_envoy(&self, mtls: &Mtls) -> ResourceSet {
        let Self { chain, key, authorities, domains } = self;
        let (mut set, type_url) = (ResourceSet::default(), TypeUrl::new(ENVOY_SECRET));
        let mut add = |name: String, body: Vec<u8>| set.insert(type_url.clone(), name, body);
        for name in names_of_identity(mtls) {
            let body = envoy::certificate(&name, chain, key.pem());
            add(name, body);
        }
        let all: String = authorities.values().map(String::as_str).collect();
        let of_mesh = authorities
            .iter()
            .flat_map(|(mesh, pem)| [(legacy_authority(mesh), pem), (format!("system_mtls_ca_{mesh}"), pem)]);
        let of_all = [(legacy_authority("all"), &all), ("system_mtls_ca_all_meshes".to_owned(), &all)];
        for (name, pem) in of_mesh.chain(of_all) {
            let body = envoy::authority(&name, pem);
            add(name, body);
        }
        if let Some(domains) = domains {
            add(BUNDLE.into(), envoy::domains(BUNDLE, domains));
        }
        set
    }

    fn to_l4(&self, mtls: &Mtls) -> ResourceSet {
        let Self { chain, key, authorities, domains } = self;
        let mut set = ResourceSet::default();
        let mut add = |secret: l4::Secret| set.insert_message(secret.name.clone(), &secret);
        let certificate =
            l4::Certificate { chain_pem: chain.as_ref().to_owned(), key_pem: key.pem().to_owned() };
        let name = name_of_identity(mtls);
        add(l4::Secret { name, certificate: Some(certificate), trust: None });
        let mut trust = |name, anchors_pem: String, domains| {
            add(l4::Secret { name, certificate: None, trust: Some(l4::Trust { anchors_pem, domains }) });
        };
        for (mesh, pem) in authorities.iter().filter(|(mesh, _)| domains.is_none() || **mesh != mtls.mesh) {
            trust(name_of_trust(mtls, mesh), pem.clone(), Vec::new());
        }
        match domains {
            Some(domains) => {
                let domains = domains.iter().map(|(domain, pem)| l4::TrustDomain {
                    domain: domain.clone(),
                    anchors_pem: pem.clone(),
                });
                trust(BUNDLE.into(), String::new(), domains.collect());
            }
            None if !authorities.contains_key(&mtls.mesh) => {
                trust(name_of_trust(mtls, &mtls.mesh), String::new(), Vec::new());
            }
            None => {}
        }
        set
    }
}

/// The name of the secret with a proxy's own certificate.
pub fn name_of_identity(mtls: &Mtls) -> String {
    match &mtls.identity {
        Identity::MeshCa { backend: _ } if mtls.unified_names => {
            format!("system_mtls_identity_{}", mtls.mesh)
        }
        Identity::MeshCa { backend: _ } => legacy_identity(&mtls.mesh),
        Identity::Workload { by, provider: _ } => by.to_string(),
    }
}

/// The name of the secret that says whom a proxy believes of a mesh: its own, or another.
pub fn name_of_trust(mtls: &Mtls, mesh: &str) -> String {
    match &mtls.trust {
        // bundles are those of the own mesh
        Trust::Domains { .. } if mesh == mtls.mesh => BUNDLE.into(),
        Trust::Domains { .. } | Trust::MeshCa | Trust::Spire if mtls.unified_names => {
            format!("system_mtls_ca_{mesh}")
        }
        Trust::Domains { .. } | Trust::MeshCa | Trust::Spire => legacy_authority(mesh),
    }
}

/// The name that a proxy's own certificate has without unified naming.
pub(crate) fn legacy_identity(mesh: &str) -> String {
    format!("identity_cert:secret:{mesh}")
}

/// The name that the authority of a mesh, or with `all` those of all meshes, has without unified naming.
pub(crate) fn legacy_authority(mesh: &str) -> String {
    format!("mesh_ca:secret:{mesh}")
}

/// All names of the secret with a proxy's own certificate: a gateway between meshes asks by the older one.
fn names_of_identity(mtls: &Mtls) -> Vec<String> {
    let own = name_of_identity(mtls);
    match &mtls.identity {
        Identity::MeshCa { backend: _ } if mtls.unified_names => {
            vec![own, legacy_identity(&mtls.mesh)]
        }
        Identity::MeshCa { .. } | Identity::Workload { .. } => vec![own],
    }
}
