//! Egress of a zone (spec 08 §6): all that leaves it, of every mesh that has a CA.
//!
//! Tag-based services of other zones are passed on to their ingresses, TLS as it came. For services outside the
//! mesh TLS of the mesh ends here, by an identity of that mesh, `spiffe://<mesh>/zone-egress`; permissions are
//! checked, and the destination outside is dialled.

mod treatment;

use std::collections::BTreeSet;
use std::sync::Arc;

use treatment::Treatment;

use model::reference::ZONE_TAG;
use model::topology::{ExternalService, Mesh, MeshExternalService, MtlsMode, ZoneEgress};
use model::{Kind, Resource, ResourceName, Spec, Tags};

use super::chains::Chains;
use super::destinations::{self, Destination};
use crate::plan::{
    Cluster, ClusterKind, ClusterSettings, Endpoint, ExternalTls, Identity, Mtls, OutsideTls, Permissions,
    Plan, PolicyOrigin, Proxy, ProxyId, Terminated, TlsParams, Trust,
};
use crate::reader::Reader;
use crate::routing::endpoints::{external, external_tls, zones};
use crate::routing::facts::Facts;
use crate::routing::permissions::{self, Exits};
use crate::routing::{locality, names, protocol, sni};

/// Service name of zone egresses in certificates of the mesh CA.
const SERVICE: &str = "zone-egress";
/// Tag that tells apart the endpoints of several meshes.
const MESH: &str = "mesh";

/// Plans a zone egress; `None`: there is none of that name.
pub(crate) fn plan_egress(reader: &Reader<'_>, name: &ResourceName) -> Option<Plan> {
    let resource = reader.named(Kind::ZoneEgress, "", name.as_str())?;
    let Spec::ZoneEgress(ZoneEgress { zone, address, port }) = resource.spec() else { return None };
    let zone = if zone.is_empty() { resource.meta().zone() } else { zone };
    let id = ProxyId::ZoneEgress(name.clone());
    let unified = reader.profile().has_unified_naming() && reader.context().features(&id).unified_naming;
    let mut chains = Chains::default();
    for by in reader.of_kind(Kind::Mesh) {
        let Spec::Mesh(mesh) = by.spec() else { continue };
        let mesh_name = by.meta().name.as_str();
        let facts = Facts::of_zone(reader, mesh_name, zone, unified);
        if let Some(mtls) = identity(mesh, mesh_name, unified) {
            let treatment = Treatment::of(reader, mesh_name);
            Exit { reader, facts, mesh, by, mtls: Arc::new(mtls), treatment }.add_to(&mut chains);
        }
    }
    let called = match unified {
        true => format!("self_inbound_ze_{port}"),
        false => names::listener("inbound", address, *port),
    };
    // where no mesh lets anything out there are no connections to listen for
    let listener = Some(chains.listener(called, unified, address, *port)).filter(|it| !it.routes.is_empty());
    let proxy = Proxy { id, service: SERVICE.to_owned(), zone: zone.to_owned(), address: address.clone() };
    Some(chains.plan(proxy, reader.profile(), listener))
}

/// Returns the identity of an egress in a mesh; absent: the mesh has no CA, and nothing may leave it.
fn identity(mesh: &Mesh, mesh_name: &str, unified_names: bool) -> Option<Mtls> {
    let backend = mesh.mtls()?;
    Some(Mtls {
        mesh: mesh_name.to_owned(),
        permissive: backend.mode == MtlsMode::Permissive,
        identity: Identity::MeshCa { backend: backend.name.clone() },
        uris: Ok(vec![format!("spiffe://{mesh_name}/{SERVICE}")]),
        trust: Trust::MeshCa,
        unified_names,
    })
}

/// Way out of one mesh.
struct Exit<'r, 'a> {
    reader: &'r Reader<'a>,
    facts: Facts<'a>,
    mesh: &'a Mesh,
    by: &'a Resource,
    mtls: Arc<Mtls>,
    treatment: Treatment<'r, 'a>,
}

impl Exit<'_, '_> {
    fn add_to(&self, chains: &mut Chains) {
        let Self { reader, facts, .. } = self;
        let remote = zones::remote(reader, facts);
        let offered = remote.iter().flat_map(|remote| {
            let of_mesh = remote.ingress.available.iter().filter(|it| it.mesh == facts.mesh_name);
            of_mesh.map(|available| (&available.tags, remote.resource))
        });
        let offered: Vec<(&Tags, &Resource)> = offered.collect();
        let tags: Vec<&Tags> = offered.iter().map(|(tags, _)| *tags).collect();
        let destinations = destinations::of_mesh(reader, facts.mesh_name, &tags);
        let outside: Vec<_> = external::of_mesh(reader, facts)
            .into_iter()
            .filter(|(_, spec)| external::is_reachable(facts, spec.tags.get(ZONE_TAG)))
            .collect();
        let mut seen: BTreeSet<&str> = outside.iter().filter_map(|(_, spec)| spec.tags.service()).collect();
        let services = seen.clone();
        let passes_on = facts.zone_egress || facts.profile.egress_knows_everything();
        for (tags, by) in offered.iter().filter(|_| passes_on) {
            // a service outside the mesh has no instances in other zones
            let Some(service) = tags.service().filter(|service| seen.insert(service)) else { continue };
            let endpoints = zones::of_egress(reader, facts, service).into_iter();
            let endpoints = endpoints.map(|endpoint| self.of_mesh(endpoint)).collect();
            let cluster = chains.pass_on(facts, service, &destinations, endpoints, &PolicyOrigin::of(by));
            if let Some((cluster, said)) = cluster.zip(self.treatment.locality_of(service)) {
                let endpoints = std::mem::take(&mut cluster.endpoints);
                cluster.endpoints =
                    locality::arranged_at_egress(endpoints, &said.value, facts.zone.as_deref());
                cluster.settings.locality = Some(said);
            }
        }
        for service in services {
            let named = outside.iter().filter(|(_, spec)| spec.tags.service() == Some(service));
            self.add_tags(chains, service, &destinations, &named.copied().collect::<Vec<_>>());
        }
        for (resource, service) in external::services(reader, facts) {
            self.add_service(chains, resource, service, &destinations);
        }
    }

    /// Adds the ExternalServices of one name, each with TLS of its own.
    fn add_tags(
        &self,
        chains: &mut Chains,
        service: &str,
        destinations: &[Destination],
        named: &[(&Resource, &ExternalService)],
    ) {
        let facts = &self.facts;
        let Some((first, spec)) = named.first() else { return };
        let mut tls = OutsideTls::from(external_tls::of_external_service(first, spec));
        let mut endpoints = Vec::new();
        for (resource, other) in named {
            let wants = external_tls::of_external_service(resource, other);
            let endpoint = external::of_external_service(facts, resource, other);
            tls.add(endpoint.offered_by.clone(), wants);
            endpoints.push(self.of_mesh(endpoint));
        }
        endpoints.sort_by(Endpoint::by_place);
        let spoken = named.iter().map(|(_, spec)| protocol::of_tags(&spec.tags, facts.profile));
        let kind = ClusterKind::External { protocol: protocol::common(spoken), tls };
        let name = format!("{}:{service}", facts.mesh_name);
        let cluster = Cluster::plain(name.clone(), service.to_owned(), kind, endpoints);
        let (permissions, by_tags) = self.exits(chains).of_tags(&spec.tags);
        let called = if facts.unified { name } else { service.to_owned() };
        let counted_as = by_tags.then_some(called);
        let by = PolicyOrigin::of(first);
        let server_names = Destination::of_service(destinations, service).map(|destination| {
            let mut tags = destination.tags.clone();
            tags.remove(model::reference::SERVICE_TAG);
            let by = destination.by.as_ref().unwrap_or(&by).clone();
            (sni::of_tags(service, &tags, facts.mesh_name), by)
        });
        chains.let_out(facts.profile, server_names, cluster, self.ended(permissions, counted_as));
    }

    /// Adds a MeshExternalService; before 2.9 it is dialled as a tag-based service.
    fn add_service(
        &self,
        chains: &mut Chains,
        resource: &Resource,
        service: &MeshExternalService,
        destinations: &[Destination],
    ) {
        let facts = &self.facts;
        let (endpoints, tls) = external::of_egress(facts, resource, service);
        let endpoints: Vec<Endpoint> = endpoints.into_iter().map(|it| self.of_mesh(it)).collect();
        let by = PolicyOrigin::of(resource);
        let called = resource.meta().display_name();
        let (name, known_as) = self.names(resource, service.port);
        let cluster = self.cluster(name, known_as, resource, service, endpoints, tls);
        if facts.profile.external_services_leave_by_egress() {
            let permissions = match self.mesh.closes_external_services {
                true => Permissions::nobody(),
                false => permissions::everybody(self.by),
            };
            let sni = sni::hashed_sni(resource, service.port, facts.system_namespace);
            return chains.let_out(facts.profile, [(sni, by)], cluster, self.ended(permissions, None));
        }
        let permissions = self.exits(chains).of_service(called);
        let by_name = Destination::of_service(destinations, called);
        let server_names = by_name.map(|destination| {
            let mut tags = destination.tags.clone();
            tags.remove(model::reference::SERVICE_TAG);
            (sni::of_tags(called, &tags, facts.mesh_name), by.clone())
        });
        chains.let_out(facts.profile, server_names, cluster, self.ended(permissions, None));
    }

    /// Returns the cluster name of a MeshExternalService, and the service behind it.
    fn names(&self, resource: &Resource, port: u32) -> (String, String) {
        let facts = &self.facts;
        let id = resource.id();
        if !facts.profile.external_services_leave_by_egress() {
            let name = names::destination(&id, port, facts.profile.has_first_destination_names());
            return (format!("{}:{name}", facts.mesh_name), resource.meta().display_name().to_owned());
        }
        let destination = names::destination(&id, port, false);
        match facts.unified {
            true => (id.with_section(port.to_string()).to_string(), destination),
            false => (destination.clone(), destination),
        }
    }

    fn cluster(
        &self,
        name: String,
        known_as: String,
        resource: &Resource,
        service: &MeshExternalService,
        endpoints: Vec<Endpoint>,
        tls: Option<ExternalTls>,
    ) -> Cluster {
        let kind = ClusterKind::External { protocol: service.protocol, tls: tls.into() };
        let settings = match self.facts.profile.external_services_leave_by_egress() {
            true => self.treatment.of_service(&resource.id()),
            false => ClusterSettings::default(),
        };
        let resource = Some(resource.describe());
        Cluster { resource, settings, ..Cluster::plain(name, known_as, kind, endpoints) }
    }

    /// Returns the termination of mesh TLS here.
    fn ended(&self, permissions: Permissions, counted_as: Option<String>) -> Terminated {
        Terminated {
            mtls: Arc::clone(&self.mtls),
            permissive: false,
            mode_by: None,
            params: TlsParams::default(),
            peer_prefixes: vec![format!("spiffe://{}/", self.mtls.mesh)],
            permissions,
            counted_as,
        }
    }

    fn exits<'x>(&'x self, chains: &'x mut Chains) -> Exits<'x> {
        Exits { reader: self.reader, mesh: self.facts.mesh_name, warnings: &mut chains.warnings }
    }

    fn of_mesh(&self, mut endpoint: Endpoint) -> Endpoint {
        endpoint.tags.insert(MESH, self.facts.mesh_name);
        endpoint
    }
}
