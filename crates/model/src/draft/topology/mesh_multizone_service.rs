//! Reader of MeshMultiZoneService: the same service in several zones (spec 01 §6).

use crate::draft::topology::{CANNOT_BE_EMPTY, mesh_service, service_name};
use crate::draft::{Body, Context};
use crate::reference::Labels;
use crate::resource::Spec;
use crate::topology::{MatchedMeshService, MeshMultiZoneService};

/// Reads and checks a MeshMultiZoneService.
pub(crate) fn mesh_multizone_service(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    service_name::check(body, context);
    let Body { spec, status } = body;
    let mut selector = spec.object("selector");
    let mut services = selector.object("meshService");
    let match_labels: Labels = services.map("matchLabels").unwrap_or_default();
    if match_labels.is_empty() {
        services.violate("matchLabels", CANNOT_BE_EMPTY);
    }
    let ports = spec.list("ports", |fields| mesh_service::port(fields, context.profile));
    if ports.is_empty() {
        spec.violate("ports", CANNOT_BE_EMPTY);
    }
    let matched = status.has("meshServices").then(|| {
        status.list("meshServices", |mut service| {
            service.know_the_rest();
            MatchedMeshService {
                name: service.string("name"),
                namespace: service.string("namespace"),
                zone: service.string("zone"),
                mesh: service.string("mesh"),
            }
        })
    });
    Spec::MeshMultiZoneService(MeshMultiZoneService {
        match_labels,
        ports,
        matched,
        vips: mesh_service::vips(status),
        host_names: mesh_service::host_names(status),
    })
}
