//! Where connections enter and leave a zone (spec 01 §11).

use crate::reference::Tags;

/// A ZoneIngress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneIngress {
    /// Its zone.
    pub zone: String,
    /// Where it listens.
    pub address: String,
    /// The port that it listens on.
    pub port: u16,
    /// What other zones dial; absent: they cannot.
    pub advertised: Option<(String, u16)>,
    /// What can be reached through it.
    pub available: Vec<AvailableService>,
}

/// One tag set that can be reached through a ZoneIngress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvailableService {
    /// Its mesh.
    pub mesh: String,
    /// Its tags, with `kuma.io/service` among them.
    pub tags: Tags,
    /// How many instances have these tags.
    pub instances: u32,
    /// Whether it is outside the mesh.
    pub external: bool,
}

/// A ZoneEgress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneEgress {
    /// Its zone.
    pub zone: String,
    /// Where it listens.
    pub address: String,
    /// The port that it listens on.
    pub port: u16,
}
