//! Resolution of `to` items to real resources and their ports (spec 03 §5.2).

use model::profile::SectionRule;
use model::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL};
use model::topology::ServicePort;
use model::{Kind, Labels, Profile, RefKind, Resource, ResourceId, Spec, TargetRef};

use crate::merge::backend_ref::named;
use crate::reader::Destinations;
use crate::rules::mesh_id;

/// Port of a resource that an item is about.
enum Port<'a> {
    /// All ports.
    Whole,
    /// Port with this name.
    Section(&'a str),
    /// Port with this number, from a compatible name.
    Number(u32),
}

/// Returns the resources that an item of a policy is about, in store order; the section is a port's effective name,
/// or empty for the whole resource.
pub(crate) fn resolve(
    destinations: Destinations<'_>,
    policy: &ResourceId,
    target: &TargetRef,
) -> Vec<ResourceId> {
    let profile = destinations.profile();
    let TargetRef { kind, name, namespace: _, labels, tags: _, section_name, proxy_types: _ } = target;
    if *kind == RefKind::Mesh {
        let mesh = destinations.mesh().map(|_| mesh_id(&policy.mesh));
        return mesh.into_iter().collect();
    }
    let Some(resource_kind) = kind.resource_kind() else { return Vec::new() };
    let port = section_name.as_deref().map_or(Port::Whole, Port::Section);
    let by_labels = |labels: &Labels, port: &Port<'_>| {
        let found = destinations.by_labels(resource_kind, labels);
        found.filter_map(|resource| section(profile, resource, port)).collect()
    };
    if let Some(labels) = labels.as_ref().filter(|labels| !labels.is_empty()) {
        return by_labels(labels, &port);
    }
    if profile.refers_by_labels_only() {
        return Vec::new();
    }
    let compatible = name.as_deref().filter(|_| *kind == RefKind::MeshService && section_name.is_none());
    match compatible.filter(|_| profile.knows_compatible_names()).and_then(compatible_name) {
        Some((labels, number)) => by_labels(&labels, &number.map_or(Port::Whole, Port::Number)),
        None => {
            let found = destinations.by_id(&named(resource_kind, target, policy));
            found.and_then(|resource| section(profile, resource, &port)).into_iter().collect()
        }
    }
}

/// Parses a name of 3 or 4 parts, which is a service of a Kubernetes namespace and its port:
/// `name_namespace_svc_port`. The third part may be anything (spec 06 no. 28).
fn compatible_name(name: &str) -> Option<(Labels, Option<u32>)> {
    let parts: Vec<&str> = name.split('_').collect();
    let (name, namespace, port) = match parts[..] {
        [name, namespace, _, port] => (name, namespace, Some(port.parse().ok()?)),
        [name, namespace, _] => (name, namespace, None),
        _ => return None,
    };
    Some((Labels::from_iter([(NAMESPACE_LABEL, namespace), (DISPLAY_NAME_LABEL, name)]), port))
}

/// Returns the identifier of a resource with the port that is meant; `None`: it has no such port.
fn section(profile: Profile, resource: &Resource, port: &Port<'_>) -> Option<ResourceId> {
    let id = resource.id();
    let ports = match resource.spec() {
        Spec::MeshService(service) => &service.ports,
        Spec::MeshMultiZoneService(service) => &service.ports,
        _ => return Some(id),
    };
    let found = |fits: &dyn Fn(&ServicePort) -> bool| ports.iter().find(|port| fits(port));
    match (port, profile.section_rule()) {
        (Port::Whole, _) => Some(id),
        (Port::Section(name), SectionRule::Verbatim) => Some(id.with_section(*name)),
        (Port::Section(name), SectionRule::Port) => {
            found(&|port| port.effective_name() == *name).map(|port| id.with_section(port.effective_name()))
        }
        (Port::Number(number), SectionRule::Verbatim) => {
            let name = found(&|port| port.port == *number).and_then(|port| port.name.clone());
            Some(id.with_section(name.unwrap_or_default()))
        }
        (Port::Number(number), SectionRule::Port) => {
            found(&|port| port.port == *number).map(|port| id.with_section(port.effective_name()))
        }
    }
}

/// Returns `true` if resources of a kind have sections.
pub(crate) fn has_sections(kind: Kind) -> bool {
    matches!(kind, Kind::MeshService | Kind::MeshMultiZoneService)
}
