//! Egresses of this zone (spec 08 §4.3).

use std::collections::BTreeSet;

use model::topology::{Dataplane, InboundState, MeshServicesMode, ZoneListener, ZoneListenerType};
use model::{Kind, Resource, Spec};

use super::gate::{Gate, zone_of};
use crate::reader::Reader;
use crate::routing::facts::Facts;

/// Returns the egresses that serve all meshes.
pub(super) fn proxies(reader: &Reader<'_>, facts: &Facts<'_>) -> Vec<Gate> {
    if !facts.profile.has_zone_proxy_resources() {
        return Vec::new();
    }
    let mut gates = BTreeSet::new();
    for resource in reader.of_kind(Kind::ZoneEgress) {
        let Spec::ZoneEgress(egress) = resource.spec() else { continue };
        let zone = zone_of(&egress.zone, resource);
        if !facts.is_remote(zone) {
            let address = reader.dialled_at(&egress.address);
            gates.insert(Gate::new(zone, address, u32::from(egress.port), resource));
        }
    }
    gates.into_iter().collect()
}

/// Returns the egresses that carry real services outside the mesh: listeners of Dataplanes if any is ready, or else
/// those that serve all meshes.
pub(super) fn of_real_services(reader: &Reader<'_>, facts: &Facts<'_>) -> Vec<Gate> {
    let mut gates = BTreeSet::new();
    for (resource, dataplane, listener) in listeners(reader, facts) {
        let address = reader.dialled_at(listener.address.as_deref().unwrap_or(&dataplane.address));
        gates.insert(Gate::new(resource.meta().zone(), address, u32::from(listener.port), resource));
    }
    if gates.is_empty() { proxies(reader, facts) } else { gates.into_iter().collect() }
}

/// Returns the egress listeners of Dataplanes of the mesh in this zone that are ready.
pub(in crate::routing) fn listeners<'a>(
    reader: &Reader<'a>,
    facts: &Facts<'_>,
) -> Vec<(&'a Resource, &'a Dataplane, &'a ZoneListener)> {
    if !has_listeners(facts) {
        return Vec::new();
    }
    let carries = |listener: &&ZoneListener| {
        listener.kind == ZoneListenerType::ZoneEgress && listener.state == InboundState::Ready
    };
    let here =
        reader.zone_proxies(facts.mesh_name).filter(|(resource, _)| !facts.is_remote(resource.meta().zone()));
    here.flat_map(|(resource, dataplane)| {
        dataplane.listeners.iter().filter(carries).map(move |listener| (resource, dataplane, listener))
    })
    .collect()
}

/// Returns `true` if zone proxies of the mesh are listeners of its Dataplanes (spec 08 §8.1).
pub(in crate::routing) fn has_listeners(facts: &Facts<'_>) -> bool {
    let only_real =
        facts.profile.always_exclusive_mesh_services() || facts.mesh_services == MeshServicesMode::Exclusive;
    facts.profile.has_zone_proxy_listeners() && only_real
}
