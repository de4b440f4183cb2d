//! Endpoints in this zone: the inbounds of Dataplanes.

use model::reference::SERVICE_TAG;
use model::topology::{Dataplane, Inbound, MeshService, ServiceSelector, TargetPort};
use model::{Kind, Resource, Spec, Tags};

use super::newest::{self, Found};
use super::{Offer, zones};
use crate::plan::{Endpoint, Hop};
use crate::reader::Reader;
use crate::routing::facts::Facts;
use crate::routing::names;

/// Returns the healthy inbounds with this value of `kuma.io/service`.
pub(in crate::routing) fn of_tag(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    service: &str,
    weight: u32,
) -> Vec<Endpoint> {
    let wanted = Tags::from_iter([(SERVICE_TAG, service)]);
    let mut found = Found::new();
    for (resource, dataplane) in reader.dataplanes_with_tags(facts.mesh_name, &wanted) {
        for inbound in dataplane.inbound.iter().filter(|i| i.is_healthy() && wanted.matches(&i.tags)) {
            found.push((resource, endpoint(reader, facts, (resource, dataplane), inbound, weight)));
        }
    }
    newest::of_each_address(found)
}

/// Returns the healthy inbounds of the Dataplanes that a MeshService selects, as far as they accept one of its
/// ports.
pub(in crate::routing) fn of_mesh_service(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    resource: &Resource,
    number: u32,
) -> Vec<Endpoint> {
    let Spec::MeshService(service) = resource.spec() else { return Vec::new() };
    let Some(port) = service.ports.iter().find(|port| port.port == number) else { return Vec::new() };
    let takes = |inbound: &Inbound| match &port.target_port {
        None => u32::from(inbound.port) == port.port,
        Some(TargetPort::Number(number)) => u32::from(inbound.port) == *number,
        Some(TargetPort::Name(name)) => inbound.name.as_deref() == Some(name),
    };
    let mut found = Found::new();
    for (owner, dataplane) in selected(reader, facts.mesh_name, service) {
        if !is_selected_while_healthy(&service.selector, dataplane) {
            continue;
        }
        for inbound in dataplane.inbound.iter().filter(|inbound| inbound.is_healthy() && takes(inbound)) {
            found.push((owner, endpoint(reader, facts, (owner, dataplane), inbound, 1)));
        }
    }
    newest::of_each_address(found)
}

/// Returns `true` if the tags by which a Dataplane is selected are on inbounds that are ready: one whose inbounds are
/// not has no endpoint of the service, at other ports either.
fn is_selected_while_healthy(selector: &ServiceSelector, dataplane: &Dataplane) -> bool {
    let ServiceSelector::Tags(tags) = selector else { return true };
    let mut healthy = dataplane.inbound.iter().filter(|inbound| inbound.is_healthy());
    tags.is_empty() || healthy.any(|inbound| tags.matches(&inbound.tags))
}

/// Returns the endpoints of a local MeshService whose destination name is the tag value; they then come first (spec
/// 04 §11).
pub(super) fn of_destination_name(reader: &Reader<'_>, facts: &Facts<'_>, name: &str) -> Option<Offer> {
    if !facts.profile.has_real_outbounds() || !name.contains("_msvc_") {
        return None;
    }
    let services = reader
        .in_mesh(Kind::MeshService, facts.mesh_name)
        .iter()
        .filter(|resource| zones::is_local(resource));
    for resource in services {
        let Spec::MeshService(service) = resource.spec() else { continue };
        let id = resource.id();
        if let Some(port) = service.ports.iter().find(|p| names::destination(&id, p.port, false) == name) {
            let endpoints = of_mesh_service(reader, facts, resource, port.port);
            return (!endpoints.is_empty()).then_some(Offer { endpoints, outside: None });
        }
    }
    None
}

/// Returns the Dataplanes that a MeshService selects.
pub(in crate::routing) fn selected<'a>(
    reader: &Reader<'a>,
    mesh: &str,
    service: &MeshService,
) -> Vec<(&'a Resource, &'a Dataplane)> {
    match &service.selector {
        ServiceSelector::None => Vec::new(),
        ServiceSelector::Tags(tags) => reader.dataplanes_with_tags(mesh, tags).collect(),
        ServiceSelector::Labels(labels) => reader.dataplanes_with_labels(mesh, labels).collect(),
        ServiceSelector::Name { name, namespace } => {
            let is_named = |resource: &Resource| {
                resource.meta().display_name() == name
                    && namespace.as_deref().is_none_or(|namespace| resource.meta().namespace() == namespace)
            };
            let stored = namespace.as_ref().map_or_else(|| name.clone(), |ns| format!("{name}.{ns}"));
            let stored = reader.named(Kind::Dataplane, mesh, &stored).filter(|resource| is_named(resource));
            if let Some(Spec::Dataplane(dataplane)) = stored.map(|resource| resource.spec()) {
                return stored.map(|resource| (resource, dataplane)).into_iter().collect();
            }
            reader.dataplanes(mesh).filter(|(resource, _)| is_named(resource)).collect()
        }
    }
}

fn endpoint(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    (resource, dataplane): (&Resource, &Dataplane),
    inbound: &Inbound,
    weight: u32,
) -> Endpoint {
    let (zone, priority) = facts.locality(&inbound.tags, Some(&resource.meta().labels));
    let own_address = inbound.address.as_deref().unwrap_or(&dataplane.address);
    let labels = facts.profile.endpoints_have_labels().then(|| resource.meta().labels.clone());
    Endpoint {
        priority,
        zone,
        address: reader.dialled_at(dataplane.advertised_address.as_deref().unwrap_or(own_address)),
        port: u32::from(inbound.port),
        weight,
        group: None,
        tags: inbound.tags.clone(),
        labels: labels.unwrap_or_default(),
        offered_by: resource.describe(),
        via: Hop::Direct,
    }
}
