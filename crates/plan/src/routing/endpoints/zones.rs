//! Endpoints in other zones: their ingresses (spec 04 §10, §11).

use std::collections::BTreeSet;

use model::reference::ZONE_TAG;
use model::topology::{
    InboundState, MatchedMeshService, MeshMultiZoneService, MeshZoneAddress, ServiceAvailability,
    ZoneListenerType,
};
use model::{Kind, Labels, Origin, Resource, ResourceId, Spec, Tags};

use crate::plan::{Endpoint, Via};
use crate::routing::facts::Facts;
use crate::view::View;

/// An address that connections leave or enter a zone by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gate {
    pub(super) zone: String,
    pub(super) address: String,
    pub(super) port: u32,
    pub(super) name: String,
}

/// Whether a MeshService belongs to this zone: copies from other zones have the origin `global` (spec 01 §5).
pub(in crate::routing) fn is_local(resource: &Resource) -> bool {
    resource.meta().origin() != Origin::Global
}

/// Whether a MeshService has endpoints as far as this zone knows; local ones are always asked.
pub(super) fn is_offered(resource: &Resource) -> bool {
    match resource.spec() {
        Spec::MeshService(service) => {
            is_local(resource) || service.availability == ServiceAvailability::Available
        }
        _ => false,
    }
}

/// The ingresses that offer a tag value, and how many remote ingress addresses there are at all: the weight of a local
/// endpoint, so that each is as likely as one behind an ingress (spec 06 no. 67).
pub(super) fn of_tag(view: &View<'_>, facts: &Facts<'_>, service: &str) -> (Vec<Endpoint>, u32) {
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    if facts.mtls.is_none() || !facts.profile.has_zone_proxy_resources() {
        return (endpoints, 0);
    }
    let egresses = if facts.zone_egress { egresses(view, facts) } else { Vec::new() };
    for resource in view.of_kind(Kind::ZoneIngress) {
        let Spec::ZoneIngress(ingress) = resource.spec() else { continue };
        let Some((address, port)) = ingress.advertised.clone() else { continue };
        if !facts.is_remote(zone_of(&ingress.zone, resource)) || !seen.insert((address.clone(), port)) {
            continue;
        }
        let offered = ingress.available.iter().filter(|available| {
            available.mesh == facts.mesh_name
                && available.tags.service() == Some(service)
                && !available.external
        });
        for available in offered {
            let (zone, priority) = facts.locality(&available.tags, None);
            let endpoint = |address: &str, port: u32, weight, by: String, via| Endpoint {
                priority,
                zone: zone.clone(),
                address: address.to_owned(),
                port,
                weight,
                tags: available.tags.clone(),
                labels: Labels::default(),
                offered_by: by,
                via,
            };
            if facts.zone_egress {
                endpoints.extend(
                    egresses.iter().map(|gate| {
                        endpoint(&gate.address, gate.port, 1, resource.describe(), Via::ZoneEgress)
                    }),
                );
            } else {
                let weight = available.instances.max(1);
                endpoints.push(endpoint(
                    &address,
                    u32::from(port),
                    weight,
                    resource.describe(),
                    Via::ZoneIngress,
                ));
            }
        }
    }
    (endpoints, u32::try_from(seen.len()).unwrap_or(u32::MAX))
}

/// The ingresses of the zone of a MeshService, or the egresses on the way to them; always a failover (spec 06 no. 66).
pub(super) fn of_mesh_service(view: &View<'_>, facts: &Facts<'_>, resource: &Resource) -> Vec<Endpoint> {
    if facts.mtls.is_none() {
        return Vec::new();
    }
    let zone = resource.meta().zone();
    let behind = ingresses(view, facts).into_iter().filter(|gate| gate.zone == zone);
    let (gates, via): (Vec<Gate>, Via) = if facts.zone_egress && behind.clone().next().is_some() {
        (egresses(view, facts), Via::ZoneEgress)
    } else {
        (behind.collect(), Via::ZoneIngress)
    };
    gates
        .into_iter()
        .map(|gate| Endpoint {
            priority: 1,
            zone: Some(zone.to_owned()),
            address: gate.address,
            port: gate.port,
            weight: 1,
            tags: Tags::default(),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via,
        })
        .collect()
}

/// The services that a MeshMultiZoneService stands for: as a control plane computed them, or by its labels.
pub(in crate::routing) fn matched<'a>(
    view: &View<'a>,
    resource: &Resource,
    spec: &MeshMultiZoneService,
) -> Vec<&'a Resource> {
    let MeshMultiZoneService { match_labels, ports: _, matched, vips: _, host_names: _ } = spec;
    match matched {
        None => view.by_labels(Kind::MeshService, match_labels).collect(),
        Some(matched) => matched
            .iter()
            .filter_map(|MatchedMeshService { name, namespace, zone, mesh }| {
                let mesh = if mesh.is_empty() { resource.meta().mesh.as_str() } else { mesh };
                view.by_id(&ResourceId {
                    kind: Kind::MeshService,
                    mesh: mesh.to_owned(),
                    zone: zone.clone(),
                    namespace: namespace.clone(),
                    name: name.clone(),
                    section: String::new(),
                })
            })
            .collect(),
    }
}

/// The public addresses of other zones.
fn ingresses(view: &View<'_>, facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = BTreeSet::new();
    for resource in view.of_kind(Kind::MeshZoneAddress) {
        let Spec::MeshZoneAddress(MeshZoneAddress { place: Some((address, port)) }) = resource.spec() else {
            continue;
        };
        let zone = resource.meta().labels.get(ZONE_TAG).unwrap_or_default();
        if facts.is_remote(zone) {
            gates.insert(gate(zone, address, *port, resource));
        }
    }
    // a zone that says where it is dialled is dialled nowhere else (spec 08 §4)
    let told: BTreeSet<String> = gates.iter().map(|gate| gate.zone.clone()).collect();
    if facts.profile.has_zone_proxy_resources() {
        for resource in view.of_kind(Kind::ZoneIngress) {
            let Spec::ZoneIngress(ingress) = resource.spec() else { continue };
            let Some((address, port)) = &ingress.advertised else { continue };
            let zone = zone_of(&ingress.zone, resource);
            if facts.is_remote(zone) && !told.contains(zone) {
                gates.insert(gate(zone, address, u32::from(*port), resource));
            }
        }
    }
    let mut seen = BTreeSet::new();
    gates.into_iter().filter(|g| seen.insert((g.zone.clone(), g.address.clone(), g.port))).collect()
}

/// The egresses of this zone.
pub(super) fn egresses(view: &View<'_>, facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = BTreeSet::new();
    if facts.profile.has_zone_proxy_resources() {
        for resource in view.of_kind(Kind::ZoneEgress) {
            let Spec::ZoneEgress(egress) = resource.spec() else { continue };
            let zone = zone_of(&egress.zone, resource);
            if !facts.is_remote(zone) {
                gates.insert(gate(zone, &egress.address, u32::from(egress.port), resource));
            }
        }
    }
    if facts.profile.has_zone_proxy_listeners() {
        for (resource, dataplane) in view.reader().zone_proxies(facts.mesh_name) {
            let zone = resource.meta().zone();
            let listeners = dataplane.listeners.iter().filter(|listener| {
                listener.kind == ZoneListenerType::ZoneEgress && listener.state == InboundState::Ready
            });
            for listener in listeners.filter(|_| !facts.is_remote(zone)) {
                let address = listener.address.as_deref().unwrap_or(&dataplane.address);
                gates.insert(gate(zone, address, u32::from(listener.port), resource));
            }
        }
    }
    gates.into_iter().collect()
}

fn gate(zone: &str, address: &str, port: u32, resource: &Resource) -> Gate {
    Gate { zone: zone.to_owned(), address: address.to_owned(), port, name: resource.describe() }
}

fn zone_of<'r>(field: &'r str, resource: &'r Resource) -> &'r str {
    if field.is_empty() { resource.meta().zone() } else { field }
}
