//! Proxy that a plan is for.

use model::{ProxyKey, ResourceName};

/// Proxy, by the resource that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyId {
    /// Proxy of a Dataplane: a sidecar, or a gateway of either sort, as the Dataplane says.
    Dataplane(ProxyKey),
    /// Ingress of a zone, by the stored name of its ZoneIngress.
    ZoneIngress(ResourceName),
    /// Egress of a zone, by the stored name of its ZoneEgress.
    ZoneEgress(ResourceName),
}

/// Proxy with its public facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Id of the proxy.
    pub id: ProxyId,
    /// Service that it stands for; empty: unknown.
    pub service: String,
    /// Zone that it is in; empty: unknown.
    pub zone: String,
    /// Address of the proxy.
    pub address: String,
}

impl ProxyId {
    /// Mesh and name; zone proxies, which are of all meshes, have an empty mesh.
    pub fn key(&self) -> ProxyKey {
        match self {
            ProxyId::Dataplane(key) => key.clone(),
            ProxyId::ZoneIngress(name) | ProxyId::ZoneEgress(name) => ProxyKey::new("", name.clone()),
        }
    }

    /// Mesh; empty for zone proxies.
    pub fn mesh(&self) -> &str {
        match self {
            ProxyId::Dataplane(key) => key.mesh.as_str(),
            ProxyId::ZoneIngress(_) | ProxyId::ZoneEgress(_) => "",
        }
    }
}

impl From<ProxyKey> for ProxyId {
    fn from(key: ProxyKey) -> Self {
        ProxyId::Dataplane(key)
    }
}
