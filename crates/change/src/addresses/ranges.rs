//! Address ranges of virtual IPs.

use model::{AddressRange, Kind};

/// Address ranges of the virtual IPs of services. Ranges may be identical: an address is given to one service only, and
/// to one of each of tags and of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// Range of tag-based services; absent: no virtual IPs. Default `240.0.0.0/8`, where Kuma begins, too.
    pub tags: Option<AddressRange>,
    /// Range of MeshServices; absent: no virtual IPs. Default `241.0.0.0/8`, as in Kuma.
    pub services: Option<AddressRange>,
    /// Range of MeshExternalServices; absent: no virtual IPs. Default `242.0.0.0/8`, as in Kuma.
    pub external: Option<AddressRange>,
    /// Range of MeshMultiZoneServices; absent: no virtual IPs. Default `243.0.0.0/8`, as in Kuma.
    pub multi_zone: Option<AddressRange>,
}

impl Default for Ranges {
    fn default() -> Self {
        let of = |first| Some(AddressRange::beginning_with(first));
        Self { tags: of(240), services: of(241), external: of(242), multi_zone: of(243) }
    }
}

impl Ranges {
    /// No virtual IPs for any service.
    pub const NONE: Self = Self { tags: None, services: None, external: None, multi_zone: None };

    /// Range of a kind; `None`: no virtual IPs.
    pub(super) fn of(&self, kind: Kind) -> Option<AddressRange> {
        match kind {
            Kind::MeshService => self.services,
            Kind::MeshExternalService => self.external,
            Kind::MeshMultiZoneService => self.multi_zone,
            _ => None,
        }
    }
}
