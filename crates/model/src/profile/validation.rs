//! Differences of profiles in validation: what is accepted, and how it is refused (spec 02, 05 §5.1).

use crate::profile::Profile;
use crate::reference::RefKind::{
    self, Dataplane, Mesh, MeshExternalService, MeshGateway, MeshHTTPRoute, MeshMultiZoneService,
    MeshService, MeshServiceSubset, MeshSubset,
};
use crate::resource::PolicyRole;

/// Characters that a name may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Any characters.
    Any,
    /// `[0-9a-z-_]`.
    Plain,
    /// `[0-9a-z-_.]`, with the words for mesh names.
    MeshDotted,
    /// `[0-9a-z.-_]`, with the words for names in references.
    ReferenceDotted,
    /// Lowercase RFC 1123 subdomain.
    Subdomain,
    /// RFC 1035 label.
    Label,
}

/// Rule by which the role of a policy in a namespace is found (spec 02 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleRule {
    /// There are no roles: policies are in the system namespace.
    None,
    /// By the direction of the policy, unless the label has another role.
    ByDirection,
    /// By whether `to` names services of the policy's own namespace.
    ByName,
    /// As `ByName`, where services are named by labels.
    ByLabels,
}

impl Profile {
    /// Kinds that MeshTCPRoute and MeshHTTPRoute may have as `spec.targetRef` (spec 02 §4.2).
    pub fn top_kinds(self, role: PolicyRole) -> &'static [RefKind] {
        let system = role == PolicyRole::System;
        match self {
            Profile::V3 => &[Mesh, Dataplane],
            _ if self >= Profile::V2_10 && system => {
                &[Mesh, MeshSubset, MeshGateway, MeshService, MeshServiceSubset, Dataplane]
            }
            _ if self >= Profile::V2_10 => &[Mesh, MeshSubset, MeshService, MeshServiceSubset, Dataplane],
            _ if self >= Profile::V2_6 && system => {
                &[Mesh, MeshSubset, MeshGateway, MeshService, MeshServiceSubset]
            }
            _ => &[Mesh, MeshSubset, MeshService, MeshServiceSubset],
        }
    }

    /// Kinds that they may have as `spec.to[].targetRef`, which depend on the kind at the top (spec 02 §4.2).
    pub fn to_kinds(self, top: Option<RefKind>) -> &'static [RefKind] {
        match self {
            Profile::V3 => &[MeshService, MeshExternalService, MeshMultiZoneService],
            _ if self >= Profile::V2_6 && top == Some(MeshGateway) => &[Mesh],
            _ if self >= Profile::V2_9 => &[MeshService, MeshExternalService, MeshMultiZoneService],
            Profile::V2_8 => &[MeshService, MeshExternalService],
            _ => &[MeshService],
        }
    }

    /// Kinds that they may have as `backendRefs` (spec 02 §4.2).
    pub fn backend_kinds(self) -> &'static [RefKind] {
        match self {
            Profile::V3 => &[MeshService, MeshExternalService, MeshMultiZoneService],
            _ if self >= Profile::V2_9 => {
                &[MeshService, MeshServiceSubset, MeshExternalService, MeshMultiZoneService]
            }
            Profile::V2_8 => &[MeshService, MeshServiceSubset, MeshExternalService],
            _ => &[MeshService, MeshServiceSubset],
        }
    }

    /// Kinds that any reference may have, in the order in which the schema lists them (spec 02 §2.2). Profile 3 has
    /// a list for each place: see [`Profile::schema_top_kinds`] and its neighbours.
    fn schema_kinds(self) -> &'static [&'static str] {
        match self {
            Profile::V2_3 => &["Mesh", "MeshSubset", "MeshService", "MeshServiceSubset", "MeshHTTPRoute"],
            _ if self <= Profile::V2_7 => {
                &["Mesh", "MeshSubset", "MeshGateway", "MeshService", "MeshServiceSubset", "MeshHTTPRoute"]
            }
            Profile::V2_8 => &[
                "Mesh",
                "MeshSubset",
                "MeshGateway",
                "MeshService",
                "MeshExternalService",
                "MeshServiceSubset",
                "MeshHTTPRoute",
            ],
            Profile::V2_9 => &[
                "Mesh",
                "MeshSubset",
                "MeshGateway",
                "MeshService",
                "MeshExternalService",
                "MeshMultiZoneService",
                "MeshServiceSubset",
                "MeshHTTPRoute",
            ],
            _ => &[
                "Mesh",
                "MeshSubset",
                "MeshGateway",
                "MeshService",
                "MeshExternalService",
                "MeshMultiZoneService",
                "MeshServiceSubset",
                "MeshHTTPRoute",
                "Dataplane",
            ],
        }
    }

    /// Kinds that the schema lists for `spec.targetRef` (spec 02 §2.2).
    pub fn schema_top_kinds(self) -> &'static [&'static str] {
        if self == Profile::V3 { &["Mesh", "Dataplane"] } else { self.schema_kinds() }
    }

    /// Kinds that the schema lists for `spec.to[].targetRef` (spec 02 §2.2).
    pub fn schema_to_kinds(self) -> &'static [&'static str] {
        if self == Profile::V3 {
            &["Mesh", "MeshService", "MeshExternalService", "MeshMultiZoneService", "MeshHTTPRoute"]
        } else {
            self.schema_kinds()
        }
    }

    /// Kinds that the schema lists for `backendRefs` (spec 02 §2.2).
    pub fn schema_backend_kinds(self) -> &'static [&'static str] {
        if self == Profile::V3 {
            &[
                "Mesh",
                "MeshService",
                "MeshExternalService",
                "MeshMultiZoneService",
                "MeshHTTPRoute",
                "Dataplane",
            ]
        } else {
            self.schema_kinds()
        }
    }

    /// `true`: a policy must have a top-level `targetRef` (spec 01 §2.2); later its absence means the mesh.
    pub fn requires_top_target(self) -> bool {
        self <= Profile::V2_8
    }

    /// `true`: the schema requires `kind` in a reference and `rules` in a `to` item, and fills in defaults such as
    /// `weight: 1` (spec 02 §1.1, §2.2). Before, it requires `backendRefs` instead.
    pub fn has_schema_defaults(self) -> bool {
        self >= Profile::V2_10
    }

    /// `true`: empty `backendRefs` are refused by the validator, not the schema (spec 02 §4.1).
    pub fn validates_empty_backend_refs(self) -> bool {
        self >= Profile::V2_10
    }

    /// `true`: a MeshMultiZoneService as a backend needs a port (spec 02 §4.7).
    pub fn requires_multizone_port(self) -> bool {
        self >= Profile::V2_9
    }

    /// `true`: a MeshTrafficPermission may have `rules` (2.12+). Spec 07 §11.5.
    pub fn permissions_have_rules(self) -> bool {
        self >= Profile::V2_12
    }

    /// `true`: a match of a MeshTrafficPermission may name a server (2.14+). Spec 07 §11.5.
    pub fn permissions_match_server_names(self) -> bool {
        self >= Profile::V2_14
    }

    /// Kinds at the top of a MeshTrafficPermission. Spec 07 §11.4.
    pub fn permission_targets(self) -> &'static [RefKind] {
        match self {
            Profile::V3 => &[Mesh, Dataplane],
            Profile::V2_8 => &[Mesh, MeshSubset, MeshService, MeshServiceSubset, MeshExternalService],
            profile if profile >= Profile::V2_10 => {
                &[Mesh, MeshSubset, MeshService, MeshServiceSubset, Dataplane]
            }
            _ => &[Mesh, MeshSubset, MeshService, MeshServiceSubset],
        }
    }

    /// Kinds at the top of a MeshTLS. Spec 07 §10.
    pub fn mesh_tls_targets(self) -> &'static [RefKind] {
        match self {
            Profile::V3 => &[Mesh, Dataplane],
            profile if profile >= Profile::V2_10 => &[Mesh, MeshSubset, Dataplane],
            _ => &[Mesh, MeshSubset],
        }
    }

    /// `true`: the rules of a MeshTCPRoute may have matches; no release has that.
    pub fn has_connection_matches(self) -> bool {
        self == Profile::Extended
    }

    /// `true`: weights are limited to 2³²−1 (spec 02 §4.7).
    pub fn limits_weights(self) -> bool {
        self == Profile::V3
    }

    /// Rule for the name of a resource (spec 02 §3.3).
    pub fn resource_name_rule(self) -> NameRule {
        if self <= Profile::V2_4 { NameRule::Plain } else { NameRule::Subdomain }
    }

    /// `true`: the name of a resource is limited to 253 characters (spec 02 §3.3).
    pub fn limits_resource_names(self) -> bool {
        self >= Profile::V2_5
    }

    /// Rule for the name of a mesh (spec 02 §3.3, 01 §3).
    pub fn mesh_name_rule(self) -> NameRule {
        match self {
            Profile::V2_3 | Profile::V2_4 => NameRule::Plain,
            Profile::V3 => NameRule::Label,
            _ => NameRule::MeshDotted,
        }
    }

    /// Rule for the name in a reference (spec 02 §4.4).
    pub fn reference_name_rule(self) -> NameRule {
        match self {
            Profile::V2_3 | Profile::V2_4 | Profile::V3 => NameRule::Any,
            Profile::V2_5 => NameRule::Plain,
            _ => NameRule::ReferenceDotted,
        }
    }

    /// `true`: labels are checked at all (spec 02 §3.4).
    pub fn validates_labels(self) -> bool {
        self >= Profile::V2_6
    }

    /// `true`: the mesh label is set if absent, and must not differ from the mesh (spec 01 §1.3, 02 §3.4).
    pub fn computes_mesh_label(self) -> bool {
        self >= Profile::V2_9
    }

    /// Rule by which the role of a policy in a namespace is found (spec 02 §5).
    pub fn role_rule(self) -> RoleRule {
        match self {
            Profile::V3 => RoleRule::ByLabels,
            _ if self >= Profile::V2_9 => RoleRule::ByName,
            Profile::V2_8 => RoleRule::ByDirection,
            _ => RoleRule::None,
        }
    }

    /// `true`: a `to` item that names a MeshHTTPRoute of the own namespace makes a policy a producer's (spec 02
    /// §5).
    pub fn http_routes_are_produced(self) -> bool {
        self >= Profile::V2_14
    }

    /// Message for a reference without a kind (spec 02 §4.3).
    pub fn kind_missing(self) -> &'static str {
        if self <= Profile::V2_4 { "must be set" } else { "must be defined" }
    }

    /// Message for a reference with a kind that is not allowed in its place (spec 02 §4.3).
    pub fn kind_not_supported(self, kind: &str) -> String {
        if self <= Profile::V2_12 {
            "value is not supported".into()
        } else {
            format!("value '{kind}' is not supported")
        }
    }

    /// Message for a field that is not allowed with its kind (spec 02 §4.4).
    pub fn not_with_kind(self, kind: RefKind) -> String {
        if self <= Profile::V2_4 {
            format!("cannot be set with kind {kind}")
        } else {
            format!("must not be set with kind {kind}")
        }
    }

    /// Message for a field that its kind requires (spec 02 §4.4).
    pub fn required_with_kind(self, kind: RefKind) -> String {
        if self <= Profile::V2_13 {
            format!("must be set with kind {kind}")
        } else {
            format!("must be set when kind is {kind}")
        }
    }

    /// Warning about a kind at the top of a policy (spec 02 §6); `None`: it is not deprecated.
    pub fn deprecation(self, kind: RefKind) -> Option<String> {
        let as_subset = kind == MeshSubset || kind == MeshServiceSubset || kind == MeshService;
        let use_dataplane = |kind: RefKind| {
            format!("{kind} value for 'targetRef.kind' is deprecated, use Dataplane with labels instead")
        };
        match self {
            Profile::V2_9 | Profile::V2_10 if kind == MeshService => Some(
                "MeshService value for 'targetRef.kind' is deprecated, use MeshSubset with 'kuma.io/service' tag instead"
                    .into(),
            ),
            Profile::V2_10 if kind == MeshSubset => Some(use_dataplane(MeshSubset)),
            // The text names MeshSubset whatever the kind: spec 06 no. 82.
            Profile::V2_11 | Profile::V2_12 if as_subset => Some(use_dataplane(MeshSubset)),
            Profile::V2_13 | Profile::V2_14 | Profile::Extended if as_subset => Some(use_dataplane(kind)),
            _ => None,
        }
    }

    /// Kinds that a policy other than a route may name anywhere: all that the profile knows.
    pub fn known_kinds(self) -> Vec<RefKind> {
        let mut known: Vec<RefKind> =
            RefKind::ALL.into_iter().filter(|kind| self.schema_kinds().contains(&kind.as_str())).collect();
        if self == Profile::V3 {
            known =
                vec![Mesh, Dataplane, MeshService, MeshExternalService, MeshMultiZoneService, MeshHTTPRoute];
        }
        known
    }
}
