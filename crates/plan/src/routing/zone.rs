//! The ingress of a zone: every subset that any client elsewhere may dial (spec 04 §10.2, §10.3).

mod destinations;
mod egress;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::reference::{SERVICE_TAG, ZONE_TAG};
use model::topology::Protocol;
use model::{Kind, Resource, ResourceName, Spec, Tags};

use super::endpoints::{is_local, local};
use super::facts::Facts;
use super::{names, sni};
use crate::plan::{
    Accepts, Backend, Bind, Cluster, ClusterKind, ConnectionSettings, Direction, Endpoint, Fate, Listener,
    Match, Naming, Plan, Proxy, ProxyId, Route, Session,
};
use crate::reader::Reader;

pub(crate) use egress::plan_egress;

/// Plans a zone ingress: connections are told apart by the SNI of mesh TLS, which stays closed. `None` when there is none
/// of that name.
pub(crate) fn plan_ingress(reader: &Reader<'_>, name: &ResourceName) -> Option<Plan> {
    let resource = reader.named(Kind::ZoneIngress, "", name.as_str())?;
    let Spec::ZoneIngress(ingress) = resource.spec() else { return None };
    let zone = if ingress.zone.is_empty() { resource.meta().zone() } else { &ingress.zone };
    let available = || ingress.available.iter().map(|available| (available.mesh.as_str(), &available.tags));
    let known = reader.of_kind(Kind::Mesh).iter().map(|mesh| mesh.meta().name.as_str());
    let meshes: BTreeSet<&str> = available().map(|(mesh, _)| mesh).chain(known).collect();
    let mut offers = Offers { reader, routes: Vec::new(), clusters: BTreeMap::new() };
    for mesh in meshes {
        let facts = Facts::of_zone(reader, mesh, zone);
        let here: Vec<&Tags> = available().filter(|(of, _)| *of == mesh).map(|(_, tags)| tags).collect();
        let destinations = destinations::of_mesh(reader, mesh, &here);
        for service in here.iter().filter_map(|tags| tags.service()) {
            for destination in
                destinations.iter().filter(|d| matches!(d.service(), Some(s) if s == "*" || s == service))
            {
                offers.add_tags(&facts, service, destination);
            }
        }
        for service in reader.in_mesh(Kind::MeshService, mesh) {
            offers.add_service(&facts, service);
        }
    }
    let Offers { reader: _, routes, clusters } = offers;
    let listener = Listener {
        name: names::listener("inbound", &ingress.address, ingress.port),
        bind: Bind::opened(ingress.address.as_str(), ingress.port),
        direction: Direction::Zone,
        service: String::new(),
        protocol: Protocol::Tls,
        accepts: Accepts::ServerName,
        settings: ConnectionSettings::default(),
        routes,
        naming: Naming::default(),
    };
    Some(Plan {
        proxy: Proxy {
            id: ProxyId::ZoneIngress(name.clone()),
            service: String::new(),
            zone: zone.to_owned(),
            address: ingress.address.clone(),
        },
        profile: reader.profile(),
        mtls: None,
        listeners: vec![Arc::new(listener)],
        redirected: None,
        clusters: clusters.into_iter().map(|(name, cluster)| (name, Arc::new(cluster))).collect(),
        names: BTreeMap::new(),
        routes: Vec::new(),
        warnings: Vec::new(),
    })
}

/// What other zones may dial, in the order of the available services.
struct Offers<'r, 'a> {
    reader: &'r Reader<'a>,
    routes: Vec<(Match, Route)>,
    clusters: BTreeMap<String, Cluster>,
}

impl Offers<'_, '_> {
    /// One tag set of a service. The zone takes part in the SNI, and not in the choice: all endpoints are here.
    fn add_tags(&mut self, facts: &Facts<'_>, service: &str, destination: &Tags) {
        let mut subset = destination.clone();
        subset.remove(SERVICE_TAG);
        let sni = sni::of_tags(service, &subset, facts.mesh_name);
        if self.routes.iter().any(|(claimed, _)| claimed.hostname() == sni) {
            return;
        }
        subset.remove(ZONE_TAG);
        let name = format!("{}:{service}", facts.mesh_name);
        if !self.clusters.contains_key(&name) {
            let endpoints = local::of_tag(self.reader, facts, service, 1);
            self.clusters.insert(name.clone(), cluster(&name, service, endpoints));
        }
        self.add(sni, name, subset);
    }

    /// The ports of a real service of the zone, independent of routes.
    fn add_service(&mut self, facts: &Facts<'_>, resource: &Resource) {
        let Spec::MeshService(service) = resource.spec() else { return };
        let elsewhere = facts.zone.is_some() && facts.is_remote(resource.meta().zone());
        if !facts.profile.has_real_outbounds() || !is_local(resource) || elsewhere {
            return;
        }
        let id = resource.id();
        for port in &service.ports {
            let name = names::destination(&id, port.port, false);
            let sni = sni::hashed_sni(resource, port.port, facts.system_namespace);
            let endpoints = local::of_mesh_service(self.reader, facts, resource, port.port);
            let resource = Some(resource.describe());
            self.clusters.insert(name.clone(), Cluster { resource, ..cluster(&name, &name, endpoints) });
            self.add(sni, name, Tags::default());
        }
    }

    fn add(&mut self, sni: String, cluster: String, subset: Tags) {
        let backend = Backend {
            reference: sni.clone(),
            weight: 1,
            fate: Fate::Routed { cluster, subset },
            origin: None,
            when_unavailable: None,
        };
        let claimed = Match::ServerName { pattern: sni, session: Session::Passthrough };
        self.routes.push((claimed, Route::to(backend)));
    }
}

fn cluster(name: &str, service: &str, mut endpoints: Vec<Endpoint>) -> Cluster {
    endpoints.sort();
    Cluster::plain(name.to_owned(), service.to_owned(), ClusterKind::Zone, endpoints)
}
