//! Resolution of backendRefs, relative to the policy that contributed them (spec 03 §6).

use model::reference::{MESH_TAG, SERVICE_TAG};
use model::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL};
use model::{BackendRef, Kind, Labels, RefKind, Resource, ResourceId, Tags, TargetRef};

use crate::plan::PolicyOrigin;
use crate::view::View;

/// Destination that a backendRef resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destined {
    /// Tag-based service. It never fails to resolve (spec 06 no. 26).
    Legacy {
        /// Tags that endpoints must have, `kuma.io/service` included.
        tags: Tags,
        /// Other mesh whose gateways are meant: the tag `kuma.io/mesh` (spec 06 no. 40); `None`: the own mesh.
        mesh: Option<String>,
    },
    /// Real service, by identifier; the section is a port's name or number, or empty. A reference by name is not
    /// checked for existence.
    Real(ResourceId),
    /// No service has the labels: the reference is dropped.
    Dropped {
        /// Place where it was looked for, in words.
        looked_for: String,
    },
}

impl View<'_> {
    /// Returns `true` if a backendRef refers to a real service, not to the value of a tag (spec 03 §6.1).
    pub fn is_real(&self, backend: &BackendRef) -> bool {
        let BackendRef { target, weight: _, port } = backend;
        let profile = self.profile();
        profile.has_real_backends(target.kind)
            && (target.kind != RefKind::MeshService
                || profile.refers_by_labels_only()
                || port.is_some()
                || (profile.backend_refs_have_sections() && target.section_name.is_some()))
    }

    /// Resolves a backendRef relative to the policy that contributed it ([`crate::Rules::backend_ref_origin`]).
    ///
    /// ```text
    ///  legacy  MeshServiceSubset; MeshService without port (2.12+: and without sectionName), 2.14 and before
    ///  real    MeshService with port, MeshExternalService (2.8+), MeshMultiZoneService (2.9+); in profile 3 all
    /// ```
    pub fn resolve_backend_ref(&self, backend: &BackendRef, origin: &PolicyOrigin) -> Destined {
        let BackendRef { target, weight: _, port } = backend;
        let kind = target.kind.resource_kind().filter(|_| self.is_real(backend));
        let Some(kind) = kind else { return legacy(target) };
        let section = match (&target.section_name, port) {
            (Some(section), _) if self.profile().backend_refs_have_sections() => section.clone(),
            (_, Some(port)) if *port > 0 => port.to_string(),
            _ => String::new(),
        };
        let found = match (&target.labels, self.profile().refers_by_labels_only()) {
            (Some(labels), by_labels_only) if !labels.is_empty() => {
                let labels =
                    if by_labels_only { near_policy(labels, &origin.policy) } else { labels.clone() };
                match self.oldest_with_labels(kind, &labels) {
                    Some(resource) => resource.id(),
                    None => {
                        return Destined::Dropped { looked_for: format!("a {kind} with labels {labels}") };
                    }
                }
            }
            (_, true) => {
                return Destined::Dropped {
                    looked_for: format!("a {kind} without saying which: labels are empty"),
                };
            }
            (_, false) if !self.profile().has_resource_ids() => self.by_plain_name(kind, target),
            (_, false) => named(kind, target, &origin.policy),
        };
        Destined::Real(found.with_section(section))
    }

    /// Returns the oldest resource of a kind with all the labels; of several equally old, the one with the least
    /// identifier (spec 03 §6.3). Those without a creation time count as younger than all others.
    fn oldest_with_labels(&self, kind: Kind, labels: &Labels) -> Option<&Resource> {
        self.by_labels(kind, labels)
            .min_by_key(|resource| (resource.meta().created.unwrap_or(i64::MAX), resource.id()))
    }

    /// 2.8: returns the identifier of the first resource of the mesh with that name, whatever its zone and
    /// namespace.
    fn by_plain_name(&self, kind: Kind, target: &TargetRef) -> ResourceId {
        let name = target.name.as_deref().unwrap_or_default();
        let found = self.of_kind(kind).iter().find(|resource| resource.meta().display_name() == name);
        found.map_or_else(|| self.nowhere(kind, name), |resource| resource.id())
    }

    fn nowhere(&self, kind: Kind, name: &str) -> ResourceId {
        ResourceId {
            kind,
            mesh: self.mesh_name().to_owned(),
            zone: String::new(),
            namespace: String::new(),
            name: name.to_owned(),
            section: String::new(),
        }
    }
}

/// Returns the identifier of what a policy refers to by name: in the policy's mesh and zone, and in the policy's
/// namespace unless the reference has another (spec 03 §6.2).
pub(crate) fn named(kind: Kind, target: &TargetRef, policy: &ResourceId) -> ResourceId {
    ResourceId {
        kind,
        mesh: policy.mesh.clone(),
        zone: policy.zone.clone(),
        namespace: target.namespace.clone().unwrap_or_else(|| policy.namespace.clone()),
        name: target.name.clone().unwrap_or_default(),
        section: String::new(),
    }
}

/// Labels that have a name and no namespace select in the policy's namespace, if it has one (profile 3, spec 03
/// §6.3).
fn near_policy(labels: &Labels, policy: &ResourceId) -> Labels {
    let mut labels = labels.clone();
    let says_name_only = labels.get(DISPLAY_NAME_LABEL).is_some() && labels.get(NAMESPACE_LABEL).is_none();
    if says_name_only && !policy.namespace.is_empty() {
        labels.insert(NAMESPACE_LABEL, policy.namespace.clone());
    }
    labels
}

/// In a backendRef the name is the service, even if the tags have another (spec 06 no. 18).
fn legacy(target: &TargetRef) -> Destined {
    let mut tags = match target.kind {
        RefKind::MeshServiceSubset => target.tags.clone(),
        _ => Tags::default(),
    };
    tags.insert(SERVICE_TAG, target.name.as_deref().unwrap_or_default());
    let mesh = tags.get(MESH_TAG).map(str::to_owned);
    Destined::Legacy { tags, mesh }
}
