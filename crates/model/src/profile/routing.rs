//! What differs between profiles in where traffic goes (spec 04, 05 §5.3).

use crate::profile::Profile;
use crate::topology::Protocol;

impl Profile {
    /// Whether outbounds that no route speaks about get a listener too, once the route plugin acts (spec 04 §1.1).
    pub fn serves_outbounds_without_route(self) -> bool {
        self >= Profile::V2_6
    }

    /// Whether TrafficRoute is looked at for each outbound without a route; later only for proxies without any rule,
    /// and in profile 3 never (spec 05 §5.3).
    pub fn falls_back_to_traffic_route_per_outbound(self) -> bool {
        self <= Profile::V2_5
    }

    /// Whether there are TrafficRoutes, ExternalServices and the other kinds of the tag-based model (spec 05 §5.3).
    pub fn has_traffic_route(self) -> bool {
        self <= Profile::V2_14
    }

    /// Whether one backend with a protocol that is not allowed empties the whole split; later only that backend is
    /// dropped (spec 06 no. 43).
    pub fn one_bad_protocol_empties_the_split(self) -> bool {
        self <= Profile::V2_8
    }

    /// What a backend may speak to take part in a TCP split (spec 04 §3, 05 §5.3).
    pub fn allows_backend_protocol(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Unknown | Protocol::Tcp | Protocol::Http | Protocol::Http2 => true,
            Protocol::Grpc => self >= Profile::V2_6,
            Protocol::Kafka => (Profile::V2_6..=Profile::V2_14).contains(&self),
            Protocol::Tls | Protocol::Mysql => false,
        }
    }

    /// Whether outbounds to Kafka get the Kafka filter (spec 05 §5.3).
    pub fn has_kafka_filter(self) -> bool {
        (Profile::V2_6..=Profile::V2_14).contains(&self)
    }

    /// Whether a subset that only a MeshTCPRoute names can be reached in other zones (spec 06 no. 62).
    pub fn announces_subsets_across_zones(self) -> bool {
        self >= Profile::V2_6
    }

    /// Whether a MeshExternalService is reached through the zone's egress; before, directly (spec 05 §5.3).
    pub fn external_services_leave_by_egress(self) -> bool {
        self >= Profile::V2_9
    }

    /// Whether the outbounds of a Dataplane are left out when its connections are redirected (spec 05 §5.3).
    pub fn transparent_proxies_ignore_outbounds(self) -> bool {
        self >= Profile::V2_12
    }

    /// Whether proxies may ask for names by KRI; in profile 3 they always get them (spec 01 §3).
    pub fn has_unified_naming(self) -> bool {
        self >= Profile::V2_12
    }

    /// Whether names are KRIs whatever the proxy asks for (spec 01 §3).
    pub fn always_unified_naming(self) -> bool {
        self == Profile::V3
    }

    /// Whether `meshServices.mode` is Exclusive whatever the mesh says (spec 01 §3).
    pub fn always_exclusive_mesh_services(self) -> bool {
        self == Profile::V3
    }
}
