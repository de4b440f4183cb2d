//! The egress of a zone (spec 08 §6): services outside the mesh, for proxies of every mesh that has a CA.
//!
//! It ends the TLS of the mesh with an identity of that mesh, `spiffe://<mesh>/zone-egress`, asks who may connect, and dials
//! the outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::topology::{Mesh, MeshExternalService, MtlsMode};
use model::{Kind, Resource, ResourceName, Spec, Tags};

use crate::plan::{
    Accepts, Backend, Bind, Cluster, ClusterKind, ConnectionSettings, Direction, Fate, Identity, Listener,
    Match, Mtls, Naming, Permissions, Plan, Proxy, ProxyId, Route, Session, Terminated, TlsParams, Trust,
};
use crate::reader::Reader;
use crate::routing::endpoints::external;
use crate::routing::facts::Facts;
use crate::routing::{names, permissions, sni};

/// The service that the CA of a mesh names zone egresses.
const SERVICE: &str = "zone-egress";

/// Plans a zone egress. `None` when there is none of that name.
pub(crate) fn plan_egress(reader: &Reader<'_>, name: &ResourceName) -> Option<Plan> {
    let resource = reader.named(Kind::ZoneEgress, "", name.as_str())?;
    let Spec::ZoneEgress(egress) = resource.spec() else { return None };
    let zone = if egress.zone.is_empty() { resource.meta().zone() } else { &egress.zone };
    let id = ProxyId::ZoneEgress(name.clone());
    let features = reader.context().features(&id);
    let unified = reader.profile().has_unified_naming() && features.unified_naming;
    let mut exits = Exits { reader, unified, routes: Vec::new(), clusters: BTreeMap::new() };
    for resource in reader.of_kind(Kind::Mesh) {
        let Spec::Mesh(mesh) = resource.spec() else { continue };
        let mesh_name = resource.meta().name.as_str();
        let Some(mtls) = identity(mesh, mesh_name, unified) else { continue };
        let permissions = match mesh.closes_external_services {
            true => Permissions::nobody(),
            false => permissions::everybody(resource),
        };
        exits.add_mesh(&Facts::of_zone(reader, mesh_name, zone), &Arc::new(mtls), &permissions);
    }
    let Exits { reader: _, unified: _, routes, clusters } = exits;
    let listener = Listener {
        name: match unified {
            true => format!("self_inbound_ze_{}", egress.port),
            false => names::listener("inbound", &egress.address, egress.port),
        },
        bind: Bind::opened(egress.address.as_str(), egress.port),
        direction: Direction::Zone,
        service: String::new(),
        protocol: model::topology::Protocol::Tls,
        accepts: Accepts::ServerName,
        settings: ConnectionSettings::default(),
        routes,
        naming: Naming { unified, ..Naming::default() },
    };
    Some(Plan {
        proxy: Proxy {
            id,
            service: SERVICE.to_owned(),
            zone: zone.to_owned(),
            address: egress.address.clone(),
        },
        profile: reader.profile(),
        mtls: None,
        // without a mesh that it serves there is nothing to listen for
        listeners: Some(listener).filter(|it| !it.routes.is_empty()).into_iter().map(Arc::new).collect(),
        redirected: None,
        clusters: clusters.into_iter().map(|(name, cluster)| (name, Arc::new(cluster))).collect(),
        names: BTreeMap::new(),
        routes: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Who an egress is in a mesh; absent where the mesh has no CA, and nothing may leave it.
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

/// What may leave the zone, mesh by mesh.
struct Exits<'r, 'a> {
    reader: &'r Reader<'a>,
    unified: bool,
    routes: Vec<(Match, Route)>,
    clusters: BTreeMap<String, Cluster>,
}

impl Exits<'_, '_> {
    fn add_mesh(&mut self, facts: &Facts<'_>, mtls: &Arc<Mtls>, permissions: &Permissions) {
        if !facts.profile.external_services_leave_by_egress() {
            return;
        }
        for resource in self.reader.in_mesh(Kind::MeshExternalService, facts.mesh_name) {
            let Spec::MeshExternalService(service) = resource.spec() else { continue };
            let meta = resource.meta();
            let key = (meta.mesh.as_str().to_owned(), meta.name.as_str().to_owned());
            let is_dialled = !self.reader.context().unloaded.contains_key(&key);
            if is_dialled && !facts.is_remote(meta.zone()) {
                self.add_service(facts, mtls, permissions, resource, service);
            }
        }
    }

    fn add_service(
        &mut self,
        facts: &Facts<'_>,
        mtls: &Arc<Mtls>,
        permissions: &Permissions,
        resource: &Resource,
        service: &MeshExternalService,
    ) {
        let id = resource.id();
        let destination = names::destination(&id, service.port, false);
        let name = match self.unified {
            true => id.with_section(service.port.to_string()).to_string(),
            false => destination.clone(),
        };
        let (endpoints, tls) = external::of_egress(facts, resource, service);
        let kind = ClusterKind::External { protocol: service.protocol, tls };
        let cluster = Cluster {
            resource: Some(resource.describe()),
            ..Cluster::plain(name.clone(), destination, kind, endpoints)
        };
        self.clusters.insert(name.clone(), cluster);
        let sni = sni::hashed_sni(resource, service.port, facts.system_namespace);
        let terminated = Terminated {
            mtls: Arc::clone(mtls),
            permissive: false,
            mode_by: None,
            params: TlsParams::default(),
            peer_prefixes: vec![format!("spiffe://{}/", mtls.mesh)],
            permissions: permissions.clone(),
            counted_as: None,
        };
        let backend = Backend {
            reference: sni.clone(),
            weight: 1,
            fate: Fate::Routed { cluster: name, subset: Tags::default() },
            origin: None,
            when_unavailable: None,
        };
        let claimed = Match::ServerName { pattern: sni, session: Session::Mtls(Arc::new(terminated)) };
        self.routes.push((claimed, Route::to(backend)));
    }
}
