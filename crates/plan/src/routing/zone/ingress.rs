//! Ingress of a zone: every subset, and every real service, that any client elsewhere may dial (spec 08 §5).

use std::collections::BTreeSet;

use model::reference::ZONE_TAG;
use model::topology::{AvailableService, ServicePort, ZoneIngress};
use model::{Kind, Resource, ResourceName, Spec, Tags};

use super::chains::Chains;
use super::{destinations, services};
use crate::plan::{Endpoint, Plan, PolicyOrigin, Proxy, ProxyId};
use crate::reader::Reader;
use crate::routing::endpoints::{self, external, local};
use crate::routing::facts::Facts;
use crate::routing::{names, sni};

/// Plans a zone ingress: TLS of the mesh goes on to the proxies of the zone as it came. `None`: there is none of
/// that name.
pub(crate) fn plan_ingress(reader: &Reader<'_>, name: &ResourceName) -> Option<Plan> {
    let resource = reader.named(Kind::ZoneIngress, "", name.as_str())?;
    let Spec::ZoneIngress(ingress) = resource.spec() else { return None };
    let ZoneIngress { zone, address, port, advertised: _, available } = ingress;
    let zone = if zone.is_empty() { resource.meta().zone() } else { zone };
    let id = ProxyId::ZoneIngress(name.clone());
    let unified = reader.profile().has_unified_naming() && reader.context().features(&id).unified_naming;
    let known = reader.of_kind(Kind::Mesh).iter().map(|mesh| mesh.meta().name.as_str());
    let meshes: BTreeSet<&str> = available.iter().map(|it| it.mesh.as_str()).chain(known).collect();
    let meshes: Vec<Facts<'_>> =
        meshes.into_iter().map(|mesh| Facts::of_zone(reader, mesh, zone, unified)).collect();
    let mut chains = Chains::default();
    for facts in &meshes {
        let of_mesh: Vec<_> = available.iter().filter(|it| it.mesh == facts.mesh_name).collect();
        add_tags(&mut chains, reader, facts, &of_mesh, &PolicyOrigin::of(resource));
    }
    for facts in &meshes {
        services::each(reader, facts, |service, port, endpoints| {
            add_port(&mut chains, facts, service, port, endpoints);
        });
    }
    let called = match unified {
        true => format!("self_inbound_zi_{port}"),
        false => names::listener("inbound", address, *port),
    };
    let listener = chains.listener(called, unified, address, *port);
    let proxy = Proxy { id, service: String::new(), zone: zone.to_owned(), address: address.clone() };
    Some(chains.plan(proxy, reader.profile(), Some(listener)))
}

/// Adds the tag sets of the services of a mesh that the ingress announces.
fn add_tags(
    chains: &mut Chains,
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    available: &[&AvailableService],
    by: &PolicyOrigin,
) {
    let here: Vec<&Tags> = available.iter().map(|available| &available.tags).collect();
    let destinations = destinations::of_mesh(reader, facts.mesh_name, &here);
    let mut seen = BTreeSet::new();
    for service in here.iter().filter_map(|tags| tags.service()).filter(|service| seen.insert(*service)) {
        chains.pass_on(facts, service, &destinations, of_service(reader, facts, service), by);
    }
}

/// Returns the endpoints of a service in this zone: the proxies of its instances; the egresses, if it is outside
/// the mesh and leaves by them; or builtin gateways that proxies of other meshes dial.
fn of_service(reader: &Reader<'_>, facts: &Facts<'_>, service: &str) -> Vec<Endpoint> {
    let mut found = local::of_tag(reader, facts, service, 1);
    if facts.zone_egress {
        let outside = external::with_tag(reader, facts, service).into_iter();
        let here = outside.filter(|(_, spec)| external::is_reachable(facts, spec.tags.get(ZONE_TAG)));
        found.extend(
            here.flat_map(|(resource, spec)| external::through_egress(reader, facts, resource, spec)),
        );
    }
    if found.is_empty() {
        found = endpoints::of_other_mesh(reader, facts, service, facts.mesh_name).endpoints;
    }
    found
}

fn add_port(
    chains: &mut Chains,
    facts: &Facts<'_>,
    resource: &Resource,
    port: &ServicePort,
    endpoints: Vec<Endpoint>,
) {
    let id = resource.id();
    let first_scheme = facts.profile.has_first_destination_names();
    let destination = names::destination(&id, port.port, first_scheme);
    let name = match facts.unified {
        true => id.with_section(port.effective_name()).to_string(),
        false if first_scheme => format!("{}:{destination}", facts.mesh_name),
        false => destination,
    };
    let sni = sni::hashed_sni(resource, port.port, facts.system_namespace);
    chains.pass_on_service(sni, name, resource.describe(), endpoints, PolicyOrigin::of(resource));
}
