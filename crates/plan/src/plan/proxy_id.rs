//! Ids of proxies as text: for people, node ids and messages.

use std::fmt;
use std::str::FromStr;

use model::name::{InvalidProxyKey, given};
use model::{Kind, ProxyKey, ResourceKey, ResourceName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ProxyId;

const DATAPLANE: &str = "dataplane";
const INGRESS: &str = "ingress";
const EGRESS: &str = "egress";

impl ProxyId {
    /// The proxy of a Dataplane.
    pub fn dataplane(mesh: impl Into<model::MeshName>, name: impl Into<ResourceName>) -> Self {
        Self::Dataplane(ProxyKey::new(mesh, name))
    }

    /// Returns the proxy that a resource stands for; `None`: it stands for none.
    pub fn of(resource: &ResourceKey) -> Option<Self> {
        Self::of_kind(resource.kind, resource.mesh_or_empty(), &resource.name)
    }

    /// As [`ProxyId::of`], from a kind, a mesh and a name.
    pub fn of_kind(kind: Kind, mesh: &str, name: &str) -> Option<Self> {
        match kind {
            Kind::Dataplane => Some(Self::dataplane(mesh, name)),
            Kind::ZoneIngress => Some(Self::ZoneIngress(name.into())),
            Kind::ZoneEgress => Some(Self::ZoneEgress(name.into())),
            _ => None,
        }
    }

    /// Kind of the resource that stands for it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Dataplane(_) => Kind::Dataplane,
            Self::ZoneIngress(_) => Kind::ZoneIngress,
            Self::ZoneEgress(_) => Kind::ZoneEgress,
        }
    }

    /// Stored name of the resource that stands for it.
    pub fn name(&self) -> &ResourceName {
        match self {
            Self::Dataplane(key) => &key.name,
            Self::ZoneIngress(name) | Self::ZoneEgress(name) => name,
        }
    }

    /// Key of the resource that stands for it.
    pub fn resource(&self) -> ResourceKey {
        ResourceKey::new(self.kind(), self.mesh(), self.name().as_str())
    }

    /// Dataplane that stands for it; `None`: it is a zone proxy.
    pub fn as_dataplane(&self) -> Option<&ProxyKey> {
        match self {
            Self::Dataplane(key) => Some(key),
            Self::ZoneIngress(_) | Self::ZoneEgress(_) => None,
        }
    }

    /// xDS node id: `<mesh>.<name>`, and `.<name>` of a zone proxy.
    pub fn node_id(&self) -> String {
        self.key().node_id()
    }

    /// Sort of the proxy, which tells apart equal node ids: `dataplane`, `ingress` or `egress`.
    pub fn sort(&self) -> &'static str {
        match self {
            Self::Dataplane(_) => DATAPLANE,
            Self::ZoneIngress(_) => INGRESS,
            Self::ZoneEgress(_) => EGRESS,
        }
    }

    /// Parses a node id with the [sort](Self::sort) of the proxy, which Dataplanes may leave out. `None`: it is not
    /// valid.
    pub fn of_node(id: &str, sort: Option<&str>) -> Option<Self> {
        let ProxyKey { mesh, name } = ProxyKey::from_node_id(id)?;
        match sort.unwrap_or(DATAPLANE) {
            DATAPLANE if !mesh.as_str().is_empty() => Some(Self::dataplane(mesh, name)),
            INGRESS if mesh.as_str().is_empty() => Some(Self::ZoneIngress(name)),
            EGRESS if mesh.as_str().is_empty() => Some(Self::ZoneEgress(name)),
            _ => None,
        }
    }
}

impl fmt::Display for ProxyId {
    /// Writes `<mesh>/<name>`; `ZoneIngress/<name>` or `ZoneEgress/<name>`, which are not valid mesh names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataplane(key) => key.fmt(f),
            Self::ZoneIngress(name) | Self::ZoneEgress(name) => write!(f, "{}/{name}", self.kind()),
        }
    }
}

impl FromStr for ProxyId {
    type Err = InvalidProxyKey;

    /// Parses `MESH/NAME`, `NAME` in the mesh `default`, `ZoneIngress/NAME` or `ZoneEgress/NAME`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of_zone = text.split_once('/').and_then(|(kind, name)| Some((Kind::from_text(kind)?, name)));
        match of_zone {
            Some((kind, name)) => Self::of_kind(kind, "", given::resource(name)?)
                .filter(|proxy| proxy.as_dataplane().is_none())
                .ok_or_else(|| InvalidProxyKey::Shape(text.to_owned())),
            None => text.parse().map(Self::Dataplane),
        }
    }
}

impl Serialize for ProxyId {
    /// Serializes as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProxyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_as_it_is_written() {
        for (text, proxy) in [
            ("shop/web-1", ProxyId::dataplane("shop", "web-1")),
            ("ZoneIngress/zi-1", ProxyId::ZoneIngress("zi-1".into())),
            ("ZoneEgress/zi-1", ProxyId::ZoneEgress("zi-1".into())),
        ] {
            assert_eq!(text.parse(), Ok(proxy.clone()));
            assert_eq!(proxy.to_string(), text);
            assert_eq!(ProxyId::of(&proxy.resource()), Some(proxy));
        }
        assert_eq!("web-1".parse(), Ok(ProxyId::dataplane("default", "web-1")));
        for wrong in ["Dataplane/web-1", "Mesh/default", "ZoneIngress/", "ZoneIngress/a/b", "a/b/c"] {
            assert!(wrong.parse::<ProxyId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_node_is_of_the_sort_that_it_says() {
        let of_zone = [ProxyId::ZoneIngress("zi-1".into()), ProxyId::ZoneEgress("zi-1".into())];
        for proxy in of_zone.into_iter().chain([ProxyId::dataplane("shop", "web-1.ns")]) {
            assert_eq!(ProxyId::of_node(&proxy.node_id(), Some(proxy.sort())), Some(proxy));
        }
        assert_eq!(ProxyId::of_node("shop.web-1", None), Some(ProxyId::dataplane("shop", "web-1")));
        for (id, sort) in
            [(".zi-1", None), ("shop.zi-1", Some("ingress")), (".zi-1", Some("car")), ("shop", None)]
        {
            assert_eq!(ProxyId::of_node(id, sort), None, "{id} {sort:?}");
        }
    }
}
