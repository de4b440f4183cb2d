//! Virtual IPs that a proxy asks for: `reachableServices` and `reachableBackends` (spec 04 §2).

use model::Resource;
use model::topology::{MeshServicesMode, ReachableBackendRef};

use crate::routing::facts::Facts;
use crate::view::View;

/// Returns `true` if a tag-based service is reachable for the proxy.
pub(super) fn is_tag(view: &View<'_>, service: &str) -> bool {
    let listed = view.dataplane().transparent_proxying.as_ref().map(|t| t.reachable_services.as_slice());
    match listed {
        None | Some([]) => true,
        Some(listed) => listed.iter().any(|name| name == service || name == "*"),
    }
}

/// Returns `true` if a port of a real service is reachable for the proxy.
pub(super) fn is_real(view: &View<'_>, facts: &Facts<'_>, resource: &Resource, section: &str) -> bool {
    let transparent = view.dataplane().transparent_proxying.as_ref();
    let backends = transparent.and_then(|t| t.reachable_backends.as_ref());
    match backends {
        Some(listed) => listed.iter().any(|listed| names(view, listed, resource, section)),
        None if facts.mesh_services == MeshServicesMode::ReachableBackends => false,
        None => transparent.is_none_or(|t| t.reachable_services.is_empty()),
    }
}

fn names(view: &View<'_>, listed: &ReachableBackendRef, resource: &Resource, section: &str) -> bool {
    let ReachableBackendRef { kind, name, namespace, port, labels } = listed;
    let own_namespace = view.resource().meta().namespace();
    let is_named = match name {
        Some(name) => {
            resource.meta().display_name() == name
                && resource.meta().namespace() == namespace.as_deref().unwrap_or(own_namespace)
        }
        None => labels.matches(&resource.meta().labels),
    };
    kind.resource_kind() == Some(resource.kind())
        && is_named
        && port.is_none_or(|port| section.is_empty() || has_port(resource, section, port))
}

fn has_port(resource: &Resource, section: &str, number: u32) -> bool {
    let port = match resource.spec() {
        model::Spec::MeshService(service) => service.port(section).map(|port| port.port),
        model::Spec::MeshMultiZoneService(service) => service.port(section).map(|port| port.port),
        model::Spec::MeshExternalService(service) => Some(service.port),
        _ => None,
    };
    port == Some(number)
}
