//! Which tag sets clients anywhere may dial. Nothing is matched or merged here: a superset does no harm (spec 04 §10.2).

use model::policy::LegacyDestination;
use model::reference::{SERVICE_TAG, TargetRef};
use model::topology::VirtualOutbound;
use model::{BackendRef, Kind, RefKind, Spec, Tags};

use crate::reader::Reader;

/// The tag sets, each once, in the order in which they are found; `*` stands for every service.
pub(super) fn of_mesh(reader: &Reader<'_>, mesh: &str, available: &[&Tags]) -> Vec<Tags> {
    let profile = reader.profile();
    let mut found = Vec::new();
    let mut add = |tags: Tags| {
        if tags.service().is_some() && !found.contains(&tags) {
            found.push(tags);
        }
    };
    let traffic_routes = reader.in_mesh(Kind::TrafficRoute, mesh);
    for resource in traffic_routes {
        let Spec::TrafficRoute(route) = resource.spec() else { continue };
        match &route.destination {
            LegacyDestination::Single(tags) => add(tags.clone()),
            LegacyDestination::Split(split) => split.iter().for_each(|side| add(side.destination.clone())),
        }
    }
    of_routes(reader, mesh, Kind::MeshHTTPRoute).into_iter().for_each(&mut add);
    if profile.announces_subsets_across_zones() {
        of_routes(reader, mesh, Kind::MeshTCPRoute).into_iter().for_each(&mut add);
    }
    of_gateway_routes(reader, mesh).into_iter().for_each(&mut add);
    of_virtual_outbounds(reader, mesh, available).into_iter().for_each(&mut add);
    if traffic_routes.is_empty() {
        add(Tags::from_iter([(SERVICE_TAG, "*")]));
    }
    found
}

fn of_routes(reader: &Reader<'_>, mesh: &str, kind: Kind) -> Vec<Tags> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(kind, mesh) {
        let Spec::Policy(policy) = resource.spec() else { continue };
        for item in policy.to.iter().filter(|item| is_legacy(item.target.kind)) {
            for refs in &item.backend_refs {
                if refs.is_empty() {
                    found.push(tags(&item.target));
                }
                let legacy = refs.iter().filter(|backend| is_legacy(backend.target.kind));
                found.extend(legacy.map(|BackendRef { target, weight: _, port: _ }| tags(target)));
            }
        }
    }
    found
}

fn is_legacy(kind: RefKind) -> bool {
    matches!(kind, RefKind::MeshService | RefKind::MeshServiceSubset | RefKind::Mesh | RefKind::MeshSubset)
}

/// `{kuma.io/service: name (or *)}` and the tags.
fn tags(target: &TargetRef) -> Tags {
    let service = match target.kind {
        RefKind::MeshService | RefKind::MeshServiceSubset => target.name.as_deref().unwrap_or("*"),
        _ => "*",
    };
    let mut tags = target.tags.clone();
    tags.insert(SERVICE_TAG, service);
    tags
}

fn of_gateway_routes(reader: &Reader<'_>, mesh: &str) -> Vec<Tags> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(Kind::MeshGatewayRoute, mesh) {
        let Spec::MeshGatewayRoute(route) = resource.spec() else { continue };
        found.extend(route.destinations.iter().cloned());
    }
    found
}

/// Each available service with the tags that a virtual outbound makes names of.
fn of_virtual_outbounds(reader: &Reader<'_>, mesh: &str, available: &[&Tags]) -> Vec<Tags> {
    let mut found = Vec::new();
    for resource in reader.in_mesh(Kind::VirtualOutbound, mesh) {
        let Spec::VirtualOutbound(VirtualOutbound { selectors, tag_keys }) = resource.spec() else {
            continue;
        };
        for tags in available.iter().filter(|tags| selectors.iter().any(|selector| selector.matches(tags))) {
            let named = tags
                .iter()
                .filter(|(key, _)| *key == SERVICE_TAG || tag_keys.iter().any(|named| named == key));
            found.push(named.collect());
        }
    }
    found
}
