//! Differences of profiles in routing (spec 04, 05 §5.3).

use crate::profile::Profile;
use crate::topology::Protocol;

impl Profile {
    /// `true`: outbounds without a route get a listener too, once the route plugin acts (spec 04 §1.1).
    pub fn serves_outbounds_without_route(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: TrafficRoute is looked up for each outbound without a route; later only for proxies without any
    /// rule, and in profile 3 never (spec 05 §5.3).
    pub fn falls_back_to_traffic_route_per_outbound(self) -> bool {
        self <= Profile::V2_5
    }

    /// `true`: TrafficRoute, ExternalService and the other kinds of the tag-based model exist (spec 05 §5.3).
    pub fn has_traffic_route(self) -> bool {
        self < Profile::V3
    }

    /// `true`: one backend with a protocol that is not allowed empties the whole split; later only that backend is
    /// dropped (spec 06 no. 43).
    pub fn one_bad_protocol_empties_the_split(self) -> bool {
        self <= Profile::V2_8
    }

    /// Returns `true` if a backend with this protocol takes part in a TCP split (spec 04 §3, 05 §5.3).
    pub fn allows_backend_protocol(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Unknown | Protocol::Tcp | Protocol::Http | Protocol::Http2 => true,
            Protocol::Grpc => self >= Profile::V2_6,
            Protocol::Kafka => (Profile::V2_6..Profile::V3).contains(&self),
            Protocol::Tls | Protocol::Mysql => false,
        }
    }

    /// `true`: outbounds to Kafka get the Kafka filter (spec 05 §5.3).
    pub fn has_kafka_filter(self) -> bool {
        (Profile::V2_6..Profile::V3).contains(&self)
    }

    /// `true`: a subset that only a MeshTCPRoute names can be reached in other zones (spec 06 no. 62).
    pub fn announces_subsets_across_zones(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: a MeshExternalService is reached through the zone's egress; before, directly (spec 05 §5.3).
    pub fn external_services_leave_by_egress(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: the outbounds of a Dataplane are left out if its connections are redirected (2.9+, spec 04 §2).
    pub fn transparent_proxies_ignore_outbounds(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: proxies may ask for names by KRI; in profile 3 they always get them (spec 01 §3).
    pub fn has_unified_naming(self) -> bool {
        self >= Profile::V2_12
    }

    /// `true`: names are KRIs whatever the proxy asks for (spec 01 §3).
    pub fn always_unified_naming(self) -> bool {
        self == Profile::V3
    }

    /// `true`: `meshServices.mode` is Exclusive whatever the mesh says (spec 01 §3).
    pub fn always_exclusive_mesh_services(self) -> bool {
        self == Profile::V3
    }

    /// `true`: outbounds may be of real services, by `backendRef` or virtual IP (2.9+, spec 04 §2).
    pub fn has_real_outbounds(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: a zone ingress accepts connections to real services (2.8+, spec 08 §5.3).
    pub fn announces_real_services(self) -> bool {
        self >= Profile::V2_8
    }

    /// `true`: a zone egress has clusters for everything in other zones and outside the mesh, dialled or not (2.8
    /// and before); later only for what a mesh lets leave through it and some route names (seen in the reference).
    pub fn egress_knows_everything(self) -> bool {
        self <= Profile::V2_8
    }

    /// `true`: outbounds may be tags, by the Dataplane or virtual IP (2.14 and before, spec 04 §2).
    pub fn has_tag_outbounds(self) -> bool {
        self != Profile::V3
    }

    /// `true`: a proxy may announce that it binds its outbounds even with transparent proxying (2.11+, spec 04 §6).
    pub fn knows_bound_outbounds(self) -> bool {
        self >= Profile::V2_11
    }

    /// `true`: the listeners of real outbounds are marked with their unified name (2.14+, spec 04 §5.4).
    pub fn marks_unified_names(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: endpoints carry the labels of their Dataplane (2.14+, spec 04 §11).
    pub fn endpoints_have_labels(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: clusters of subsets are counted instead of hashed (2.3 and 2.4, spec 04 §5.1).
    pub fn counts_subset_clusters(self) -> bool {
        self <= Profile::V2_4
    }

    /// `true`: real destinations have names of the first scheme, `<name>_svc_<port>` (2.8, spec 04 §5.2).
    pub fn has_first_destination_names(self) -> bool {
        self <= Profile::V2_8
    }

    /// `true`: a real backendRef without section takes the name of the unnamed port that it found (3, spec 04
    /// §5.3).
    pub fn fills_in_sections(self) -> bool {
        self == Profile::V3
    }

    /// Returns the protocol, or unknown if the profile does not know its word: tls from 2.8, mysql from 2.10, kafka
    /// up to 2.14 (spec 04 §3, §4.3).
    pub fn protocol(self, written: Protocol) -> Protocol {
        let known = match written {
            Protocol::Tls => self >= Profile::V2_8,
            Protocol::Mysql => self >= Profile::V2_10,
            Protocol::Kafka => self < Profile::V3,
            Protocol::Unknown | Protocol::Tcp | Protocol::Http | Protocol::Http2 | Protocol::Grpc => true,
        };
        if known { written } else { Protocol::Unknown }
    }

    /// `true`: zone proxies are listeners of Dataplanes (2.14+), in profile 3 the only ones (spec 01 §11).
    pub fn has_zone_proxy_listeners(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: zone ingresses and egresses are resources of their own (2.14 and before, spec 01 §11).
    pub fn has_zone_proxy_resources(self) -> bool {
        self != Profile::V3
    }

    /// `true`: the services behind a MeshMultiZoneService are joined by the names of their ports, instead of the
    /// numbers (3, spec 08 §4.4).
    pub fn joins_ports_by_name(self) -> bool {
        self == Profile::V3
    }

    /// `true`: workloads may have identities from MeshIdentity (2.12+, spec 04 §8.2).
    pub fn has_workload_identities(self) -> bool {
        self >= Profile::V2_12
    }

    /// `true`: the CA of a mesh is one trust domain among those of MeshTrusts, as soon as there is one (2.13 and
    /// 2.14, spec 07 §13.3).
    pub fn mesh_ca_joins_domains(self) -> bool {
        self >= Profile::V2_13 && self.has_mesh_mtls()
    }

    /// `true`: a workload outside Kubernetes is identified by the label `kuma.io/workload` if a MeshIdentity has no
    /// path (2.13+, spec 07 §12.1).
    pub fn has_workload_labels(self) -> bool {
        self >= Profile::V2_13
    }

    /// `true`: a Dataplane without services is one by its label `kuma.io/workload` (2.14+, spec 07 §4).
    pub fn identifies_by_workload_label(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: a Mesh can turn mTLS on; in profile 3 only MeshIdentity can (spec 05 §5.3).
    pub fn has_mesh_mtls(self) -> bool {
        self != Profile::V3
    }
}
