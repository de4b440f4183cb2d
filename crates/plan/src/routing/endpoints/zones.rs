//! Endpoints in other zones: their ingresses (spec 08 §4).

use std::collections::BTreeSet;

use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::topology::{
    AvailableService, MatchedMeshService, MeshMultiZoneService, MeshZoneAddress, ServiceAvailability,
    ZoneIngress,
};
use model::{Kind, Labels, Origin, Resource, ResourceId, Spec, Tags};

use super::egresses;
use super::gate::{Gate, zone_of};
use crate::plan::{Endpoint, Hop};
use crate::reader::Reader;
use crate::routing::facts::Facts;
use crate::routing::names;

/// Returns `true` if a MeshService belongs to this zone: copies from other zones have the origin `global` (spec 01
/// §5).
pub(in crate::routing) fn is_local(resource: &Resource) -> bool {
    resource.meta().origin() != Origin::Global
}

/// Returns `true` if a MeshService has endpoints as far as this zone knows; local ones are always looked up.
pub(super) fn is_offered(resource: &Resource) -> bool {
    match resource.spec() {
        Spec::MeshService(service) => {
            is_local(resource) || service.availability == ServiceAvailability::Available
        }
        _ => false,
    }
}

/// Ingress of another zone, with the address that other zones dial.
pub(in crate::routing) struct Remote<'a> {
    pub(in crate::routing) resource: &'a Resource,
    pub(in crate::routing) ingress: &'a ZoneIngress,
    address: String,
    port: u16,
}

/// Returns the ingresses of other zones that can be dialled and offer anything; of several with one address the
/// first by name.
pub(in crate::routing) fn remote<'a>(reader: &Reader<'a>, facts: &Facts<'_>) -> Vec<Remote<'a>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for resource in reader.of_kind(Kind::ZoneIngress) {
        let Spec::ZoneIngress(ingress) = resource.spec() else { continue };
        let Some((address, port)) = &ingress.advertised else { continue };
        let offers = facts.is_remote(zone_of(&ingress.zone, resource)) && !ingress.available.is_empty();
        if offers {
            let address = reader.dialled_at(address);
            if seen.insert((address.clone(), *port)) {
                found.push(Remote { resource, ingress, address, port: *port });
            }
        }
    }
    found
}

/// Returns the ingresses that offer a tag value, or the egresses on the way to them, and the number of all
/// ingresses: the weight of a local endpoint, so that each is as likely as one behind an ingress (spec 06 no. 67).
pub(super) fn of_tag(reader: &Reader<'_>, facts: &Facts<'_>, service: &str) -> (Vec<Endpoint>, u32) {
    if !facts.mesh_ca || !facts.profile.has_zone_proxy_resources() {
        return (Vec::new(), 0);
    }
    let ingresses = remote(reader, facts);
    let egresses = if facts.zone_egress { egresses::proxies(reader, facts) } else { Vec::new() };
    let mut endpoints = Vec::new();
    for remote in &ingresses {
        for available in offered(remote.ingress, facts, service).filter(|available| !available.external) {
            let endpoint = endpoint(facts, remote, available);
            if facts.zone_egress {
                endpoints.extend(egresses.iter().map(|gate| Endpoint {
                    address: gate.address.clone(),
                    port: gate.port,
                    weight: 1,
                    via: Hop::ZoneEgress,
                    ..endpoint.clone()
                }));
            } else {
                endpoints.push(endpoint);
            }
        }
    }
    (endpoints, u32::try_from(ingresses.len()).unwrap_or(u32::MAX))
}

/// Returns the ingresses that offer a tag value, as the egress of this zone dials them: for services outside the
/// mesh too, which leave by the egress of their own zone.
pub(in crate::routing) fn of_egress(reader: &Reader<'_>, facts: &Facts<'_>, service: &str) -> Vec<Endpoint> {
    let ingresses = remote(reader, facts);
    let of_ingress = |remote: &Remote<'_>| -> Vec<Endpoint> {
        offered(remote.ingress, facts, service).map(|available| endpoint(facts, remote, available)).collect()
    };
    ingresses.iter().flat_map(of_ingress).collect()
}

fn offered<'a>(
    ingress: &'a ZoneIngress,
    facts: &Facts<'_>,
    service: &str,
) -> impl Iterator<Item = &'a AvailableService> {
    let is_meant = |it: &&AvailableService| it.mesh == facts.mesh_name && it.tags.service() == Some(service);
    ingress.available.iter().filter(is_meant).collect::<Vec<_>>().into_iter()
}

fn endpoint(facts: &Facts<'_>, remote: &Remote<'_>, available: &AvailableService) -> Endpoint {
    let (zone, priority) = facts.locality(&available.tags, None);
    Endpoint {
        priority,
        zone,
        address: remote.address.clone(),
        port: u32::from(remote.port),
        weight: available.instances.max(1),
        group: None,
        tags: available.tags.clone(),
        labels: Labels::default(),
        offered_by: remote.resource.describe(),
        via: Hop::ZoneIngress,
    }
}

/// Returns the ingresses of the zone of a MeshService, for one of its ports; always a failover (spec 06 no. 66). A
/// proxy without an identity has none: an ingress accepts TLS only.
pub(super) fn of_mesh_service(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    resource: &Resource,
    port: u32,
) -> Vec<Endpoint> {
    if facts.mtls.is_none() {
        return Vec::new();
    }
    let zone = resource.meta().zone();
    let service = names::destination(&resource.id(), port, facts.profile.has_first_destination_names());
    let behind = ingresses(reader, facts).into_iter().filter(|gate| gate.zone == zone);
    behind
        .map(|gate| Endpoint {
            priority: 1,
            zone: Some(zone.to_owned()),
            address: gate.address,
            port: gate.port,
            weight: 1,
            group: None,
            tags: Tags::from_iter([(SERVICE_TAG, service.as_str()), (ZONE_TAG, zone)]),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Hop::ZoneIngress,
        })
        .collect()
}

/// Returns the services that a MeshMultiZoneService stands for: as a control plane computed them, or by its labels.
pub(in crate::routing) fn matched<'a>(
    reader: &Reader<'a>,
    resource: &Resource,
    spec: &MeshMultiZoneService,
) -> Vec<&'a Resource> {
    let MeshMultiZoneService { match_labels, ports: _, matched, vips: _, host_names: _ } = spec;
    let own = resource.meta().mesh.as_str();
    match matched {
        None => reader.by_labels(Kind::MeshService, own, match_labels).collect(),
        Some(matched) => matched
            .iter()
            .filter_map(|MatchedMeshService { name, namespace, zone, mesh }| {
                reader.by_id(&ResourceId {
                    kind: Kind::MeshService,
                    mesh: if mesh.is_empty() { own } else { mesh }.to_owned(),
                    zone: zone.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    section: String::new(),
                })
            })
            .collect(),
    }
}

/// Returns the public addresses of other zones.
fn ingresses(reader: &Reader<'_>, facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = BTreeSet::new();
    for resource in reader.in_mesh(Kind::MeshZoneAddress, facts.mesh_name) {
        let Spec::MeshZoneAddress(MeshZoneAddress { place: Some((address, port)) }) = resource.spec() else {
            continue;
        };
        let zone = resource.meta().labels.get(ZONE_TAG).unwrap_or_default();
        if facts.is_remote(zone) {
            gates.insert(Gate::new(zone, reader.dialled_at(address), *port, resource));
        }
    }
    // a zone with an advertised address is dialled nowhere else (spec 08 §4)
    let told: BTreeSet<String> = gates.iter().map(|gate| gate.zone.clone()).collect();
    if facts.profile.has_zone_proxy_resources() {
        for resource in reader.of_kind(Kind::ZoneIngress) {
            let Spec::ZoneIngress(ingress) = resource.spec() else { continue };
            let Some((address, port)) = &ingress.advertised else { continue };
            let zone = zone_of(&ingress.zone, resource);
            if facts.is_remote(zone) && !told.contains(zone) {
                gates.insert(Gate::new(zone, reader.dialled_at(address), u32::from(*port), resource));
            }
        }
    }
    let mut seen = BTreeSet::new();
    gates.into_iter().filter(|g| seen.insert((g.zone.clone(), g.address.clone(), g.port))).collect()
}
