//! Differences of profiles in matching and merging (spec 03, matrix 05 §5.2).

use super::Profile;
use crate::kind::Kind;
use crate::reference::RefKind;

/// Rule by which a port of a `to` item's service is found (spec 03 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionRule {
    /// The section is kept as written, whether or not such a port exists (2.9).
    Verbatim,
    /// The section must be the effective name of a port; otherwise the resource is left out (2.10+).
    Port,
}

/// Policy recorded as the contributor of the backendRefs (spec 03 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendRefOrigin {
    /// None is needed: real references are found by their name in the mesh (2.8 and before).
    NotNeeded,
    /// The last one whose conf had backendRefs; without any, all references are dropped (2.9, 2.10).
    LastWithRefs,
    /// The last one (2.11+).
    Last,
}

/// Items by tag that are combined with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlaps {
    /// All that overlap directly or over others.
    Components,
    /// Those that all overlap with each other.
    Cliques,
}

impl Profile {
    /// `true`: what a MeshTrafficPermission denies by identity is evaluated before all that others allow (2.14+);
    /// before, each rule is evaluated as a whole, the least important first. Spec 07 §11.5.
    pub fn denies_before_it_allows(self) -> bool {
        self >= Profile::V2_14
    }

    /// `true`: MeshTrafficPermissions decide also where neither they nor a TrafficPermission select anything
    /// (2.7+). Spec 07 §11.4.
    pub fn permissions_always_answer(self) -> bool {
        self >= Profile::V2_7
    }

    /// `true`: MeshTLS exists (2.9+). Spec 07 §10.
    pub fn has_mesh_tls(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: connections that are redirected to a proxy for a port that is not an inbound are closed if the proxy
    /// accepts mesh TLS only (2.13+). Spec 07 §9.5.
    pub fn closes_undeclared_ports(self) -> bool {
        self >= Profile::V2_13
    }

    /// Items by tag that are combined (spec 07 §11.4): cliques in 2.9 and from 2.11 on.
    pub fn overlaps(self) -> Overlaps {
        match self {
            profile if profile <= Profile::V2_8 => Overlaps::Components,
            Profile::V2_10 => Overlaps::Components,
            _ => Overlaps::Cliques,
        }
    }

    /// `true`: among equals, the smaller name is more important (2.6+); before, the larger one was. Spec 03 §3.
    pub fn smaller_name_wins(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: the origin of a policy is part of its precedence (2.6+). Spec 03 §3.
    pub fn ranks_origin(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: the role of a policy is part of its precedence (2.8+). Spec 03 §3.
    pub fn ranks_role(self) -> bool {
        self >= Profile::V2_8
    }

    /// `true`: the detail of a Dataplane targetRef is part of the precedence (2.10+). Spec 03 §3.
    pub fn ranks_dataplane_detail(self) -> bool {
        self >= Profile::V2_10
    }

    /// `true`: the number of tags of a MeshGateway targetRef is part of the precedence (2.6 to 2.14). Spec 03 §3.
    pub fn ranks_gateway_tags(self) -> bool {
        self >= Profile::V2_6 && self != Profile::V3
    }

    /// Specificity of a targetRef of this kind: greater wins; 0: the profile does not know it. Spec 01 §2.3.
    pub fn specificity(self, kind: RefKind) -> u8 {
        let known = match kind {
            RefKind::Mesh | RefKind::MeshService | RefKind::MeshHTTPRoute => true,
            RefKind::Dataplane => self >= Profile::V2_10,
            RefKind::MeshSubset | RefKind::MeshGateway | RefKind::MeshServiceSubset => self != Profile::V3,
            RefKind::MeshExternalService => self >= Profile::V2_8,
            RefKind::MeshMultiZoneService => self >= Profile::V2_9,
        };
        let rank = match kind {
            RefKind::Mesh => 1,
            RefKind::Dataplane => 2,
            RefKind::MeshSubset => 3,
            RefKind::MeshGateway => 4,
            RefKind::MeshService => 5,
            RefKind::MeshExternalService => 6,
            RefKind::MeshMultiZoneService => 7,
            RefKind::MeshServiceSubset => 8,
            RefKind::MeshHTTPRoute => 9,
        };
        if known { rank } else { 0 }
    }

    /// Returns `true` if a top-level targetRef of this kind selects proxies. Spec 03 §2.3; MeshHTTPRoute stands for
    /// the proxies that the route selects.
    pub fn selects_proxies_by(self, kind: RefKind) -> bool {
        match kind {
            RefKind::Mesh => true,
            RefKind::Dataplane => self >= Profile::V2_10,
            RefKind::MeshSubset
            | RefKind::MeshGateway
            | RefKind::MeshService
            | RefKind::MeshServiceSubset
            | RefKind::MeshHTTPRoute => self != Profile::V3,
            RefKind::MeshExternalService | RefKind::MeshMultiZoneService => false,
        }
    }

    /// `true`: policies with the label `kuma.io/effect: shadow` configure nothing (2.7+). Spec 03 §2.1.
    pub fn knows_shadow_policies(self) -> bool {
        self >= Profile::V2_7
    }

    /// `true`: a policy of a zone or a namespace does not reach proxies of others (2.9+). Spec 03 §2.2.
    pub fn filters_zones_and_namespaces(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: inbounds with `state: Ignored` take part in selection. Spec 03 §2.4: they do in late patch releases
    /// of 2.9, 2.11, 2.12 and 2.13, and from 2.14 on; in 2.10 they never did.
    pub fn selects_by_ignored_inbounds(self) -> bool {
        self >= Profile::V2_9 && self != Profile::V2_10
    }

    /// `true`: a delegated gateway can be selected at all (2.6+). Spec 03 §2.3.
    pub fn selects_delegated_gateways(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: kind Dataplane selects delegated gateways (late 2.12 and 2.13, 2.14+). Spec 03 §2.3.
    pub fn dataplane_selects_delegated_gateways(self) -> bool {
        self >= Profile::V2_12
    }

    /// `true`: `proxyTypes` filters proxies (2.6 to 2.14). Spec 03 §2.3.
    pub fn knows_proxy_types(self) -> bool {
        self >= Profile::V2_6 && self != Profile::V3
    }

    /// `true`: a MeshGateway targetRef selects listeners by their merged tags (2.6+), not only by their own. Spec
    /// 03 §2.3.
    pub fn selects_merged_listener_tags(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: a proxy is served only by MeshGateways of its zone, of global origin, or without origin (2.9+). Spec
    /// 03 §2.3.
    pub fn filters_gateways_by_zone(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: builtin gateways exist (2.6 to 2.14 for routes). Matrix 05 §5.3.
    pub fn has_builtin_gateways(self) -> bool {
        self >= Profile::V2_6 && self != Profile::V3
    }

    /// `true`: there are rules by tag (2.3 to 2.14). Spec 03 §4.
    pub fn has_tag_rules(self) -> bool {
        self != Profile::V3
    }

    /// `true`: there are rules by real resource (2.9+). Spec 03 §5.
    pub fn has_resource_rules(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: resources are referred to by labels only (3). Spec 03 §5.2.
    pub fn refers_by_labels_only(self) -> bool {
        self == Profile::V3
    }

    /// `true`: a policy with a `to` item for a MeshHTTPRoute contributes no tag rules (2.13+). Spec 03 §4.1.
    pub fn http_route_items_hide_tag_rules(self) -> bool {
        self >= Profile::V2_13
    }

    /// Rule by which a port of a `to` item's service is found. Spec 03 §5.2.
    pub fn section_rule(self) -> SectionRule {
        if self <= Profile::V2_9 { SectionRule::Verbatim } else { SectionRule::Port }
    }

    /// Policy recorded as the contributor of the backendRefs. Spec 03 §4.5.
    pub fn backend_ref_origin(self) -> BackendRefOrigin {
        match self {
            _ if self <= Profile::V2_8 => BackendRefOrigin::NotNeeded,
            Profile::V2_9 | Profile::V2_10 => BackendRefOrigin::LastWithRefs,
            _ => BackendRefOrigin::Last,
        }
    }

    /// `true`: a port of a MeshExternalService's outbound is a section of its own (2.12+). Spec 03 §5.4.
    pub fn external_service_has_section(self) -> bool {
        self >= Profile::V2_12
    }

    /// `true`: a `sectionName` makes a backendRef to a MeshService a real one, and names its port (2.12+). Spec 03
    /// §6.
    pub fn backend_refs_have_sections(self) -> bool {
        self >= Profile::V2_12
    }

    /// Returns `true` if a backendRef of this kind may be a real one: MeshService and MeshExternalService from 2.8,
    /// MeshMultiZoneService from 2.9. Spec 03 §6.1.
    pub fn has_real_backends(self, kind: RefKind) -> bool {
        match kind {
            RefKind::MeshService | RefKind::MeshExternalService => self >= Profile::V2_8,
            RefKind::MeshMultiZoneService => self >= Profile::V2_9,
            RefKind::Mesh
            | RefKind::Dataplane
            | RefKind::MeshSubset
            | RefKind::MeshGateway
            | RefKind::MeshServiceSubset
            | RefKind::MeshHTTPRoute => false,
        }
    }

    /// `true`: real resources have identifiers with zone and namespace (2.9+); before, their plain name was looked
    /// up in the mesh. Spec 03 §6.2.
    pub fn has_resource_ids(self) -> bool {
        self >= Profile::V2_9
    }

    /// Returns `true` if merged confs of this kind record the contributor of their backendRefs: MeshHTTPRoute from
    /// 2.9, MeshTCPRoute in 2.9 and 2.10 only. Spec 03 §4.5.
    pub fn records_backend_ref_origins(self, kind: Kind) -> bool {
        match kind {
            Kind::MeshHTTPRoute => self >= Profile::V2_9,
            Kind::MeshTCPRoute => {
                // with matches, the rule for all connections and those for some may be of two policies
                self.backend_ref_origin() == BackendRefOrigin::LastWithRefs || self.has_connection_matches()
            }
            _ => false,
        }
    }

    /// `true`: a name of the form `name_namespace_svc_port` in a `to` item refers to a service by labels (2.9 to
    /// 2.14). Spec 03 §5.2.
    pub fn knows_compatible_names(self) -> bool {
        self.has_resource_rules() && !self.refers_by_labels_only()
    }
}
