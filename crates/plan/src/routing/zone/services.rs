//! Real services that an ingress offers, under any naming.

use model::topology::ServicePort;
use model::{Kind, Resource, Spec};

use crate::plan::Endpoint;
use crate::reader::Reader;
use crate::routing::endpoints::{self, local};
use crate::routing::facts::Facts;

/// Calls `add` for each port of the real services of the zone, independent of routes, and then of those of several
/// zones, with their endpoints in this zone.
pub(super) fn each(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    mut add: impl FnMut(&Resource, &ServicePort, Vec<Endpoint>),
) {
    if !facts.profile.announces_real_services() {
        return;
    }
    for resource in reader.in_mesh(Kind::MeshService, facts.mesh_name).iter().filter(|it| facts.is_own(it)) {
        let Spec::MeshService(service) = resource.spec() else { continue };
        for port in &service.ports {
            add(resource, port, local::of_mesh_service(reader, facts, resource, port.port));
        }
    }
    if !facts.profile.has_real_outbounds() {
        return;
    }
    for resource in reader.in_mesh(Kind::MeshMultiZoneService, facts.mesh_name) {
        let Spec::MeshMultiZoneService(service) = resource.spec() else { continue };
        for port in &service.ports {
            let members = endpoints::of_multi_zone_service(reader, facts, resource, service, port.port);
            let here = members.filter(|(member, _)| facts.is_own(member));
            let endpoints =
                here.flat_map(|(member, port)| local::of_mesh_service(reader, facts, member, port));
            add(resource, port, endpoints.collect());
        }
    }
}
