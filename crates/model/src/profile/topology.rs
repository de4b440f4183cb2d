//! Differences of profiles in meshes, dataplanes, services, gateways and zones (spec 01 §3 to §12).

use super::Profile;
use crate::topology::Protocol;

/// Rule for the names of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceNameRule {
    /// At most 63 characters (2.x).
    Short,
    /// RFC 1035 label (3).
    Rfc1035,
}

/// Addresses that a MeshExternalService may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalAddressRule {
    /// IP addresses, host names, and the paths of Unix sockets, which have no port (2.8).
    WithUnixPaths,
    /// IP addresses and host names, always with a port (2.9+).
    WithPorts,
}

impl Profile {
    /// `true`: tags name the service of an inbound or outbound (2.x). Spec 01 §4.
    pub fn tags_name_services(self) -> bool {
        self != Profile::V3
    }

    /// `true`: a Dataplane that is not a gateway needs an inbound (2.13 and before). Spec 01 §4.
    pub fn dataplane_needs_inbound(self) -> bool {
        self <= Profile::V2_13
    }

    /// `true`: an inbound must name its service by a tag (2.13 and before); later only one that has tags. Spec 01
    /// §4.
    pub fn inbound_needs_tags(self) -> bool {
        self <= Profile::V2_13
    }

    /// `true`: a Dataplane may have zone listeners (2.14+). Spec 01 §11.
    pub fn has_zone_listeners(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: an outbound may name a real service (2.8+). Spec 01 §4.
    pub fn outbound_names_real_services(self) -> bool {
        self >= Profile::V2_8
    }

    /// `true`: a proxy's reference to a real service may be by labels, and to a MeshMultiZoneService (2.9+). Spec
    /// 01 §4.
    pub fn outbound_selects_by_labels(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: a Dataplane may be a builtin gateway (2.x). Spec 01 §8.
    pub fn accepts_builtin_gateways(self) -> bool {
        self != Profile::V3
    }

    /// Returns `true` if the word of the protocol is known; `tls` is from 2.8, `mysql` from 2.10 on. Spec 01 §4.
    pub fn knows_protocol(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Unknown => false,
            Protocol::Tcp | Protocol::Http | Protocol::Http2 | Protocol::Grpc => true,
            Protocol::Kafka => self != Profile::V3,
            Protocol::Tls => self >= Profile::V2_8 && self != Profile::V3,
            Protocol::Mysql => self >= Profile::V2_10 && self != Profile::V3,
        }
    }

    /// `true`: the protocol of a service port is checked (3).
    pub fn checks_app_protocol(self) -> bool {
        self == Profile::V3
    }

    /// `true`: the selector of a MeshService may have one form only (2.14+), tags being one of them in 2.14. Spec
    /// 01 §5.
    pub fn checks_service_selector(self) -> bool {
        self >= Profile::V2_14
    }

    /// Rule for the names of services. Spec 02 §3.3.
    pub fn service_name_rule(self) -> ServiceNameRule {
        match self {
            Profile::V3 => ServiceNameRule::Rfc1035,
            _ => ServiceNameRule::Short,
        }
    }

    /// Addresses that a MeshExternalService may have. Spec 01 §7.
    pub fn external_address_rule(self) -> ExternalAddressRule {
        match self {
            profile if profile <= Profile::V2_8 => ExternalAddressRule::WithUnixPaths,
            _ => ExternalAddressRule::WithPorts,
        }
    }

    /// `true`: the certificates of a MeshExternalService name their source by `type`, and only safe ones are
    /// allowed (3).
    pub fn data_sources_have_types(self) -> bool {
        self == Profile::V3
    }

    /// `true`: the tag of an ExternalService must differ from its host (2.8+). Spec 01 §12.
    pub fn external_service_differs_from_host(self) -> bool {
        self >= Profile::V2_8
    }

    /// `true`: the length of a gateway's hostname is checked separately (2.8+). Spec 01 §8.
    pub fn checks_hostname_length(self) -> bool {
        self >= Profile::V2_8
    }
}
