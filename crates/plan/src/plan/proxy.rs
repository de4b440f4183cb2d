//! Whose plan it is.

use model::{ProxyKey, ResourceName};

/// A proxy, by the resource that stands for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyId {
    /// The proxy of a Dataplane: a sidecar, or a gateway of either sort, as the Dataplane says.
    Dataplane(ProxyKey),
    /// The ingress of a zone, by the stored name of its ZoneIngress.
    ZoneIngress(ResourceName),
    /// The egress of a zone, by the stored name of its ZoneEgress.
    ZoneEgress(ResourceName),
}

/// A proxy, and what everybody may know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Which one it is.
    pub id: ProxyId,
    /// The service that it stands for; empty where nothing says.
    pub service: String,
    /// The zone that it is in; empty where nothing says.
    pub zone: String,
    /// Its address.
    pub address: String,
}

impl ProxyId {
    /// Its mesh and name; the mesh of zone proxies, which are of all meshes, is empty.
    pub fn key(&self) -> ProxyKey {
        match self {
            ProxyId::Dataplane(key) => key.clone(),
            ProxyId::ZoneIngress(name) | ProxyId::ZoneEgress(name) => ProxyKey::new("", name.clone()),
        }
    }

    /// Its mesh; empty for zone proxies.
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
