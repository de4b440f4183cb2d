//! What the profiles answer about meshes, dataplanes, services, gateways and zones (spec 01 §3 to §12).

use super::Profile;
use crate::topology::Protocol;

/// How the names of services are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceNameRule {
    /// At most 63 characters (2.x).
    Short,
    /// A label of RFC 1035 (3).
    Rfc1035,
}

/// Which addresses a MeshExternalService may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalAddressRule {
    /// IP addresses, host names, and the paths of Unix sockets, which have no port (2.8).
    WithUnixPaths,
    /// IP addresses and host names, always with a port (2.9+).
    WithPorts,
}

impl Profile {
    /// Whether tags say what an inbound or outbound is (2.x). Spec 01 §4.
    pub fn tags_name_services(self) -> bool {
        self != Profile::V3
    }

    /// Whether a Dataplane that is no gateway needs an inbound (2.13 and before). Spec 01 §4.
    pub fn dataplane_needs_inbound(self) -> bool {
        self <= Profile::V2_13
    }

    /// Whether an inbound must say its service by a tag (2.13 and before); later only one that has tags. Spec 01 §4.
    pub fn inbound_needs_tags(self) -> bool {
        self <= Profile::V2_13
    }

    /// Whether a Dataplane may have zone listeners (2.14+). Spec 01 §11.
    pub fn has_zone_listeners(self) -> bool {
        self >= Profile::V2_14
    }

    /// Whether an outbound may name a real service (2.8+). Spec 01 §4.
    pub fn outbound_names_real_services(self) -> bool {
        self >= Profile::V2_8
    }

    /// Whether a proxy's reference to a real service may be by labels, and to a MeshMultiZoneService (2.9+).
    /// Spec 01 §4.
    pub fn outbound_selects_by_labels(self) -> bool {
        self >= Profile::V2_9
    }

    /// Whether a Dataplane may be a builtin gateway (2.x). Spec 01 §8.
    pub fn accepts_builtin_gateways(self) -> bool {
        self != Profile::V3
    }

    /// Whether the words `tls` (2.8+) and `mysql` (2.10+) are protocols too. Spec 01 §4.
    pub fn knows_protocol(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Unknown => false,
            Protocol::Tcp | Protocol::Http | Protocol::Http2 | Protocol::Grpc => true,
            Protocol::Kafka => self != Profile::V3,
            Protocol::Tls => self >= Profile::V2_8 && self != Profile::V3,
            Protocol::Mysql => self >= Profile::V2_10 && self != Profile::V3,
        }
    }

    /// Whether the protocol of a service port is checked (3).
    pub fn checks_app_protocol(self) -> bool {
        self == Profile::V3
    }

    /// Whether the selector of a MeshService may have one form only (2.14+), and whether tags are one (2.14).
    /// Spec 01 §5.
    pub fn checks_service_selector(self) -> bool {
        self >= Profile::V2_14
    }

    /// How the names of services are checked. Spec 02 §3.3.
    pub fn service_name_rule(self) -> ServiceNameRule {
        match self {
            Profile::V3 => ServiceNameRule::Rfc1035,
            _ => ServiceNameRule::Short,
        }
    }

    /// Which addresses a MeshExternalService may have. Spec 01 §7.
    pub fn external_address_rule(self) -> ExternalAddressRule {
        match self {
            profile if profile <= Profile::V2_8 => ExternalAddressRule::WithUnixPaths,
            _ => ExternalAddressRule::WithPorts,
        }
    }

    /// Whether the certificates of a MeshExternalService say where they come from by `type`, and which of those
    /// places are safe (3).
    pub fn data_sources_have_types(self) -> bool {
        self == Profile::V3
    }

    /// Whether the tag of an ExternalService must differ from its host (2.8+). Spec 01 §12.
    pub fn external_service_differs_from_host(self) -> bool {
        self >= Profile::V2_8
    }

    /// Whether the length of a gateway's hostname is checked by itself (2.8+). Spec 01 §8.
    pub fn checks_hostname_length(self) -> bool {
        self >= Profile::V2_8
    }
}
