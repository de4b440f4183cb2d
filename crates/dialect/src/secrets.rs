//! Secrets: the identities of proxies and the authorities that they trust, in each dialect (spec 07 §6).
//!
//! Secrets are not part of a plan: they are sent beside it, on the same stream, and have their own life cycle.

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

/// Name of the secret with all trust domains.
const BUNDLE: &str = "system_trust_bundle";

/// Private key in PEM. Its debug output omits the key.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Arc<str>);

impl PrivateKey {
    /// Wraps a key in PEM.
    pub fn new(pem: impl Into<Arc<str>>) -> Self {
        Self(pem.into())
    }

    /// Key in PEM, for sending it to its proxy.
    pub fn pem(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Credentials of one proxy, and the authorities that it trusts. All in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Certificate chain.
    pub chain: Arc<str>,
    /// Key of the certificate.
    pub key: PrivateKey,
    /// Authorities of meshes, by mesh; one that cannot be read is empty, and no peer of that mesh is trusted.
    pub authorities: Arc<BTreeMap<String, String>>,
    /// Authorities of trust domains, by domain; `None`: the proxy trusts the authority of its mesh.
    pub domains: Option<BTreeMap<String, String>>,
}

impl Credentials {
    /// Returns the secrets of a proxy, by the names that its listeners and clusters use. An Envoy asks for those
    /// that it needs.
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

/// Returns the name of the secret with a proxy's own certificate.
pub fn name_of_identity(mtls: &Mtls) -> String {
    match &mtls.identity {
        Identity::MeshCa { backend: _ } if mtls.unified_names => {
            format!("system_mtls_identity_{}", mtls.mesh)
        }
        Identity::MeshCa { backend: _ } => legacy_identity(&mtls.mesh),
        Identity::Workload { by, provider: _ } => by.to_string(),
    }
}

/// Returns the name of the secret with the authorities that a proxy trusts for a mesh: its own, or another.
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

/// Returns the name of a proxy's own certificate without unified naming.
pub(crate) fn legacy_identity(mesh: &str) -> String {
    format!("identity_cert:secret:{mesh}")
}

/// Returns the name of the authority of a mesh, or with `all` of those of all meshes, without unified naming.
pub(crate) fn legacy_authority(mesh: &str) -> String {
    format!("mesh_ca:secret:{mesh}")
}

/// Returns all names of the secret with a proxy's own certificate: a gateway between meshes asks by the older one.
fn names_of_identity(mtls: &Mtls) -> Vec<String> {
    let own = name_of_identity(mtls);
    match &mtls.identity {
        Identity::MeshCa { backend: _ } if mtls.unified_names => {
            vec![own, legacy_identity(&mtls.mesh)]
        }
        Identity::MeshCa { .. } | Identity::Workload { .. } => vec![own],
    }
}
