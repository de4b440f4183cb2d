//! Tag sets that clients anywhere may dial. Nothing is matched or merged here: a superset does no harm (spec 04
//! §10.2).

use model::policy::LegacyDestination;
use model::reference::{SERVICE_TAG, TargetRef};
use model::topology::VirtualOutbound;
use model::{BackendRef, Kind, RefKind, Resource, Spec, Tags};

use crate::plan::PolicyOrigin;
use crate::reader::Reader;

/// Tag set that clients may dial.
pub(super) struct Destination {
    /// Tags; `*` as the service stands for every service.
    pub(super) tags: Tags,
    /// Policy that refers to it; absent: every service may be dialled by its name alone.
    pub(super) by: Option<PolicyOrigin>,
}

impl Destination {
    /// Returns `true` if it stands for every service.
    pub(super) fn is_for_all(&self) -> bool {
        self.tags.service() == Some("*")
    }

    /// Returns those of a service: first those that name it.
    pub(super) fn of_service<'d>(
        all: &'d [Destination],
        service: &'d str,
    ) -> impl Iterator<Item = &'d Destination> {
        let named = all.iter().filter(move |it| it.tags.service() == Some(service));
        named.chain(all.iter().filter(|it| it.is_for_all()))
    }
}

/// Returns the tag sets, each once, in the order in which they are found.
pub(super) fn of_mesh(reader: &Reader<'_>, mesh: &str, available: &[&Tags]) -> Vec<Destination> {
    let profile = reader.profile();
    let mut found: Vec<Destination> = Vec::new();
    let mut add = |tags: Tags, by: Option<&Resource>| {
        if tags.service().is_some() && !found.iter().any(|other| other.tags == tags) {
            found.push(Destination { tags, by: by.map(PolicyOrigin::of) });
        }
    };
    let traffic_routes = reader.in_mesh(Kind::TrafficRoute, mesh);
    for resource in traffic_routes {
        let Spec::TrafficRoute(route) = resource.spec() else { continue };
        match &route.destination {
            LegacyDestination::Single(tags) => add(tags.clone(), Some(resource)),
            LegacyDestination::Split(split) => {
                split.iter().for_each(|side| add(side.destination.clone(), Some(resource)));
            }
        }
    }
    let mut add_all = |found: Vec<(Tags, &Resource)>| {
        found.into_iter().for_each(|(tags, by)| add(tags, Some(by)));
    };
    add_all(of_routes(reader, mesh, Kind::MeshHTTPRoute));
    if profile.announces_subsets_across_zones() {
        add_all(of_routes(reader, mesh, Kind::MeshTCPRoute));
    }
    add_all(of_gateway_routes(reader, mesh));
    add_all(of_cross_mesh_listeners(reader, mesh));
    add_all(of_virtual_outbounds(reader, mesh, available));
    // if a mesh has no TrafficRoute, the default one of every mesh is assumed
    if traffic_routes.is_empty() {
        add(Tags::from_iter([(SERVICE_TAG, "*")]), None);
    }
    found
}

fn of_routes<'a>(reader: &Reader<'a>, mesh: &str, kind: Kind) -> Vec<(Tags, &'a Resource)> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(kind, mesh) {
        let Spec::Policy(policy) = resource.spec() else { continue };
        for item in policy.to.iter().filter(|item| is_legacy(item.target.kind)) {
            for refs in &item.backend_refs {
                if refs.is_empty() {
                    found.push((tags(&item.target), resource.as_ref()));
                }
                let legacy = refs.iter().filter(|backend| is_legacy(backend.target.kind));
                found.extend(
                    legacy.map(|BackendRef { target, weight: _, port: _ }| (tags(target), resource.as_ref())),
                );
            }
        }
    }
    found
}

fn is_legacy(kind: RefKind) -> bool {
    matches!(kind, RefKind::MeshService | RefKind::MeshServiceSubset | RefKind::Mesh | RefKind::MeshSubset)
}

/// Returns `{kuma.io/service: name (or *)}` and the tags.
fn tags(target: &TargetRef) -> Tags {
    let service = match target.kind {
        RefKind::MeshService | RefKind::MeshServiceSubset => target.name.as_deref().unwrap_or("*"),
        _ => "*",
    };
    let mut tags = target.tags.clone();
    tags.insert(SERVICE_TAG, service);
    tags
}

fn of_gateway_routes<'a>(reader: &Reader<'a>, mesh: &str) -> Vec<(Tags, &'a Resource)> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(Kind::MeshGatewayRoute, mesh) {
        let Spec::MeshGatewayRoute(route) = resource.spec() else { continue };
        found.extend(route.destinations.iter().map(|tags| (tags.clone(), resource.as_ref())));
    }
    found
}

/// Returns the tags of the listeners of builtin gateways that proxies of other meshes dial.
fn of_cross_mesh_listeners<'a>(reader: &Reader<'a>, mesh: &str) -> Vec<(Tags, &'a Resource)> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(Kind::MeshGateway, mesh) {
        let Spec::MeshGateway(gateway) = resource.spec() else { continue };
        for listener in gateway.listeners.iter().filter(|listener| listener.cross_mesh) {
            let tags = |selector: &Tags| selector.merged(&gateway.tags).merged(&listener.tags);
            found.extend(gateway.selectors.iter().map(|it| (tags(it), resource.as_ref())));
        }
    }
    found
}

/// Returns each available service with the tags that a virtual outbound makes names of.
fn of_virtual_outbounds<'a>(
    reader: &Reader<'a>,
    mesh: &str,
    available: &[&Tags],
) -> Vec<(Tags, &'a Resource)> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(Kind::VirtualOutbound, mesh) {
        let Spec::VirtualOutbound(VirtualOutbound { selectors, tag_keys }) = resource.spec() else {
            continue;
        };
        for tags in available.iter().filter(|tags| selectors.iter().any(|selector| selector.matches(tags))) {
            let named = tags
                .iter()
                .filter(|(key, _)| *key == SERVICE_TAG || tag_keys.iter().any(|named| named == key));
            found.push((named.collect(), resource.as_ref()));
        }
    }
    found
}
