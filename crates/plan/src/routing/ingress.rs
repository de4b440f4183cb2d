//! The ingress of a zone: every subset that any client elsewhere may dial (spec 04 §10.2, §10.3).

mod destinations;

use std::collections::{BTreeMap, BTreeSet};

use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::{Kind, Resource, Spec, Tags};

use super::endpoints::{is_local, local};
use super::facts::Facts;
use super::names;
use crate::plan::{Endpoint, IngressCluster, IngressEntry, IngressPlan};
use crate::snapshot::Snapshot;

/// Plans a zone ingress; `None` when there is none of that name.
pub fn plan_ingress(snapshot: &Snapshot, name: &str) -> Option<IngressPlan> {
    let resource = snapshot.named(Kind::ZoneIngress, "", name)?;
    let Spec::ZoneIngress(ingress) = &resource.spec else { return None };
    let zone = if ingress.zone.is_empty() { resource.meta.zone() } else { &ingress.zone };
    let available = || ingress.available.iter().map(|available| (available.mesh.as_str(), &available.tags));
    let meshes: BTreeSet<&str> = available().map(|(mesh, _)| mesh).chain(snapshot.meshes()).collect();
    let mut entries = Entries { snapshot, entries: Vec::new(), clusters: BTreeMap::new() };
    for mesh in meshes {
        let facts = Facts::of_zone(snapshot, mesh, zone);
        let here: Vec<&Tags> = available().filter(|(of, _)| *of == mesh).map(|(_, tags)| tags).collect();
        let destinations = destinations::of_mesh(snapshot, mesh, &here);
        for service in here.iter().filter_map(|tags| tags.service()) {
            for destination in
                destinations.iter().filter(|d| matches!(d.service(), Some(s) if s == "*" || s == service))
            {
                entries.add_tags(&facts, service, destination);
            }
        }
        for service in snapshot.in_mesh(Kind::MeshService, mesh) {
            entries.add_service(&facts, service);
        }
    }
    let Entries { snapshot: _, entries, clusters } = entries;
    Some(IngressPlan {
        name: names::listener("inbound", &ingress.address, ingress.port),
        address: ingress.address.clone(),
        port: ingress.port,
        entries,
        clusters,
    })
}

struct Entries<'s> {
    snapshot: &'s Snapshot,
    entries: Vec<IngressEntry>,
    clusters: BTreeMap<String, IngressCluster>,
}

impl Entries<'_> {
    /// One tag set of a service. The zone takes part in the SNI, and not in the choice: all endpoints are here.
    fn add_tags(&mut self, facts: &Facts<'_>, service: &str, destination: &Tags) {
        let mut subset = destination.clone();
        subset.remove(SERVICE_TAG);
        let sni = names::tag_sni(service, &subset, facts.mesh_name);
        if self.entries.iter().any(|entry| entry.sni == sni) {
            return;
        }
        subset.remove(ZONE_TAG);
        let name = format!("{}:{service}", facts.mesh_name);
        let cluster = self
            .clusters
            .entry(name.clone())
            .or_insert_with(|| cluster(name.clone(), local::of_tag(self.snapshot, facts, service, 1)));
        let keys: Vec<String> = subset.iter().map(|(key, _)| key.to_owned()).collect();
        if !keys.is_empty() && !cluster.subset_keys.contains(&keys) {
            cluster.subset_keys.push(keys);
        }
        self.entries.push(IngressEntry { sni, cluster: name, subset });
    }

    /// The ports of a real service of the zone, independent of routes.
    fn add_service(&mut self, facts: &Facts<'_>, resource: &Resource) {
        let Spec::MeshService(service) = &resource.spec else { return };
        let elsewhere = facts.zone.is_some() && facts.is_remote(resource.meta.zone());
        if !facts.profile.has_real_outbounds() || !is_local(resource) || elsewhere {
            return;
        }
        let id = resource.id();
        for port in &service.ports {
            let name = names::destination(&id, port.port, false);
            let sni = names::hashed_sni(
                id.kind,
                &names::namespaced(&id, facts.system_namespace),
                port.port,
                &id.mesh,
            );
            let endpoints = local::of_mesh_service(self.snapshot, facts, resource, port.port);
            self.clusters.insert(name.clone(), cluster(name.clone(), endpoints));
            self.entries.push(IngressEntry { sni, cluster: name, subset: Tags::default() });
        }
    }
}

fn cluster(name: String, mut endpoints: Vec<Endpoint>) -> IngressCluster {
    endpoints.sort();
    IngressCluster { name, subset_keys: Vec::new(), endpoints }
}
