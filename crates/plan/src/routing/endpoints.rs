//! Endpoints of destinations (spec 04 §11).
//!
//! | destination | endpoints |
//! |---|---|
//! | a tag value | the inbounds of the zone, the ingresses of others, services outside the mesh |
//! | MeshService | the inbounds of the selected Dataplanes; of another zone its ingresses |
//! | MeshMultiZoneService | those of the services that it stands for |
//! | MeshExternalService | the egresses of the zone |

mod cross_mesh;
pub(super) mod egresses;
pub(super) mod external;
pub(super) mod external_tls;
mod gate;
pub(super) mod local;
mod newest;
pub(super) mod zones;

use model::topology::{MeshMultiZoneService, Protocol, ServicePort};
use model::{Resource, Spec, Tags};

use super::facts::Facts;
use super::protocol;
use super::service::Service;
use crate::plan::{DirectAccess, Endpoint, OutsideTls};
use crate::reader::Reader;

pub(super) use cross_mesh::of_other_mesh;
pub(crate) use external_tls::to_outside as tls_to_outside;
pub(super) use zones::{is_local, matched};

/// Facts of a destination outside the mesh.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OutsideDestination {
    /// Protocol of the destination.
    pub(super) protocol: Protocol,
    /// `true`: it is reached through the zone's egress.
    pub(super) by_egress: bool,
    /// TLS that the proxy itself would have to originate.
    pub(super) tls: OutsideTls,
    /// Access without an egress, where the mesh has none.
    pub(super) direct: Option<DirectAccess>,
    /// Reason why its TLS secrets cannot be loaded, in words; absent: they can, or loading was not tried.
    pub(super) unloaded: Option<String>,
}

/// Endpoints that offer a destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Offer {
    /// Endpoints, in the order in which protocols are compared.
    pub(super) endpoints: Vec<Endpoint>,
    /// Facts of a destination outside the mesh; absent: it is in the mesh.
    pub(super) outside: Option<OutsideDestination>,
}

/// Returns the endpoints of the service with this value of `kuma.io/service`.
pub(super) fn of_tag(reader: &Reader<'_>, facts: &Facts<'_>, service: &str) -> Offer {
    if let Some(offer) = local::of_destination_name(reader, facts, service) {
        return offer;
    }
    let (mut endpoints, ingresses) = zones::of_tag(reader, facts, service);
    endpoints.extend(local::of_tag(reader, facts, service, ingresses.max(1)));
    if !endpoints.is_empty() {
        endpoints.extend(external::of_tag(reader, facts, service).endpoints);
        return Offer { endpoints, outside: None };
    }
    external::of_tag(reader, facts, service)
}

/// Returns the endpoints of a port of a real service.
pub(super) fn of_service(reader: &Reader<'_>, facts: &Facts<'_>, service: &Service<'_>) -> Offer {
    let endpoints = match service.resource.spec() {
        Spec::MeshService(_) => of_mesh_service(reader, facts, service.resource, service.port),
        Spec::MeshMultiZoneService(spec) => {
            of_multi_zone_service(reader, facts, service.resource, spec, service.port)
                .filter(|(member, _)| zones::is_offered(member))
                .flat_map(|(member, port)| of_mesh_service(reader, facts, member, port))
                .collect()
        }
        Spec::MeshExternalService(spec) => return external::of_service(reader, facts, service, spec),
        _ => Vec::new(),
    };
    Offer { endpoints, outside: None }
}

fn of_mesh_service(reader: &Reader<'_>, facts: &Facts<'_>, resource: &Resource, port: u32) -> Vec<Endpoint> {
    if zones::is_local(resource) {
        local::of_mesh_service(reader, facts, resource, port)
    } else {
        zones::of_mesh_service(reader, facts, resource, port)
    }
}

/// Returns the services behind one port of a MeshMultiZoneService, each with the port that corresponds to it there:
/// the one of the same number; in profile 3 of the same name (spec 08 §4.4).
pub(super) fn of_multi_zone_service<'a>(
    reader: &Reader<'a>,
    facts: &Facts<'_>,
    resource: &Resource,
    spec: &MeshMultiZoneService,
    number: u32,
) -> impl Iterator<Item = (&'a Resource, u32)> + use<'a> {
    let own = spec.ports.iter().find(|port| port.port == number).map(ServicePort::effective_name);
    let by_name = facts.profile.joins_ports_by_name();
    zones::matched(reader, resource, spec).into_iter().filter_map(move |member| {
        let Spec::MeshService(service) = member.spec() else { return None };
        let is_meant = |port: &&ServicePort| match by_name {
            true => Some(port.effective_name()) == own,
            false => port.port == number,
        };
        Some((member, service.ports.iter().find(is_meant)?.port))
    })
}

/// Returns the protocol of a tag-based service (spec 04 §3).
pub(super) fn protocol_of(offer: &Offer, facts: &Facts<'_>) -> Protocol {
    match &offer.outside {
        Some(outside) => outside.protocol,
        None => protocol::common(offer.endpoints.iter().map(|e| protocol::of_tags(&e.tags, facts.profile))),
    }
}

/// Returns the endpoints whose tags contain all of a subset with exactly equal values, sorted (spec 04 §11).
pub(super) fn subset(mut endpoints: Vec<Endpoint>, subset: &Tags) -> Vec<Endpoint> {
    endpoints.retain(|endpoint| subset.iter().all(|(key, value)| endpoint.tags.get(key) == Some(value)));
    endpoints.sort_by(Endpoint::by_place);
    endpoints.dedup();
    endpoints
}
