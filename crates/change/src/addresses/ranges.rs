//! Which addresses services get as virtual IPs.

use model::{AddressRange, Kind};

/// Which virtual IPs services get. Ranges may be one and the same: an address is given to one service only, and to one of
/// each of tags and of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Tag-based services; absent: they get none. Default `240.0.0.0/8`, where Kuma begins to give, too.
    pub tags: Option<AddressRange>,
    /// MeshService; absent: they get none. Default `241.0.0.0/8`, as in Kuma.
    pub services: Option<AddressRange>,
    /// MeshExternalService; absent: they get none. Default `242.0.0.0/8`, as in Kuma.
    pub external: Option<AddressRange>,
    /// MeshMultiZoneService; absent: they get none. Default `243.0.0.0/8`, as in Kuma.
    pub multi_zone: Option<AddressRange>,
}

impl Default for Ranges {
    fn default() -> Self {
        let of = |first| Some(AddressRange::beginning_with(first));
        Self { tags: of(240), services: of(241), external: of(242), multi_zone: of(243) }
    }
}

impl Ranges {
    /// No service gets any.
    pub const NONE: Self = Self { tags: None, services: None, external: None, multi_zone: None };

    /// That of a kind; `None`: its resources get none.
    pub(super) fn of(&self, kind: Kind) -> Option<AddressRange> {
        match kind {
            Kind::MeshService => self.services,
            Kind::MeshExternalService => self.external,
            Kind::MeshMultiZoneService => self.multi_zone,
            _ => None,
        }
    }
}
