//! ZoneIngress and ZoneEgress: the proxies at the border of a zone (spec 01 §11).

use crate::reference::Tags;

/// ZoneIngress: the proxy that accepts connections from other zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneIngress {
    /// Zone of the ingress.
    pub zone: String,
    /// Address that it listens on.
    pub address: String,
    /// Port that it listens on.
    pub port: u16,
    /// Address and port that other zones dial; absent: they cannot.
    pub advertised: Option<(String, u16)>,
    /// Services that can be reached through it.
    pub available: Vec<AvailableService>,
}

/// Tag set that can be reached through a ZoneIngress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvailableService {
    /// Mesh of the service.
    pub mesh: String,
    /// Tags, with `kuma.io/service` among them.
    pub tags: Tags,
    /// Number of instances with these tags.
    pub instances: u32,
    /// `true`: it is outside the mesh.
    pub external: bool,
}

/// ZoneEgress: the proxy that carries connections out of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneEgress {
    /// Zone of the egress.
    pub zone: String,
    /// Address that it listens on.
    pub address: String,
    /// Port that it listens on.
    pub port: u16,
}
