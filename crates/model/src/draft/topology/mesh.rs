//! Reader of Mesh: its services, and the settings of its proxies (spec 01 §3).

mod authority;
mod backends;
mod constraints;
mod observability;

use crate::draft::topology::service_name;
use crate::draft::{Body, Context, Fields};
use crate::profile::ServiceNameRule;
use crate::resource::Spec;
use crate::topology::{Mesh, MeshServicesMode, MtlsBackend, MtlsMode};
use crate::violation::FieldPath;

/// Limit on the length of a mesh name, in bytes: it is a label's value, and a part of server names.
const LONGEST_NAME: usize = 63;

/// Reads and checks a Mesh.
pub(crate) fn mesh(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    if context.profile.service_name_rule() == ServiceNameRule::Rfc1035 {
        let at = FieldPath::root().field("name");
        service_name::check_rfc1035(context.meta.name.as_str(), |message| {
            spec.violate_at(at.clone(), message);
        });
    } else if context.meta.name.as_str().len() > LONGEST_NAME {
        spec.violate_at(FieldPath::root().field("name"), "cannot be longer than 63 characters");
    }
    let (enabled_mtls_backend, mtls_backends) = mtls(spec.object("mtls"), context.meta.name.as_str());
    let logging = observability::logging(spec.object("logging"));
    observability::check_tracing(spec.object("tracing"));
    observability::check_metrics(spec.object("metrics"));
    constraints::check(spec.object("constraints"));
    spec.texts("skipCreatingInitialPolicies");
    let mut routing = spec.object("routing");
    let zone_egress = routing.flag("zoneEgress").unwrap_or_default();
    if zone_egress && enabled_mtls_backend.is_none() && context.profile.tags_name_services() {
        spec.violate("mtls", "has to be set when zoneEgress enabled");
    }
    Spec::Mesh(Mesh {
        enabled_mtls_backend,
        mtls_backends,
        locality_aware: routing.flag("localityAwareLoadBalancing").unwrap_or_default(),
        zone_egress,
        closes_external_services: routing.flag("defaultForbidMeshExternalServiceAccess").unwrap_or_default(),
        passthrough: spec.object("networking").object("outbound").flag("passthrough").unwrap_or(true),
        mesh_services: mesh_services(spec.object("meshServices")),
        logging,
    })
}

fn mtls(mut mtls: Fields<'_>, mesh: &str) -> (Option<String>, Vec<MtlsBackend>) {
    let unchecked = mtls.flag("skipValidation").unwrap_or_default();
    let mut items = mtls.items("backends");
    if items.len() > 1 {
        mtls.violate("backends", "cannot have more than 1 backends");
    }
    let names = backends::names(&mut items);
    let read = |(mut fields, name): (Fields<'_>, &String)| {
        authority::check(&mut fields, mesh, name, unchecked);
        let modes = [("STRICT", MtlsMode::Strict), ("PERMISSIVE", MtlsMode::Permissive)];
        MtlsBackend {
            name: name.clone(),
            kind: fields.string("type"),
            mode: fields.choice("mode", &modes).unwrap_or_default(),
        }
    };
    let read_backends = items.into_iter().zip(&names).map(read).collect();
    let message = "has to be set to one of the backends in the mesh";
    (backends::chosen(&mut mtls, "enabledBackend", &names, message), read_backends)
}

fn mesh_services(mut fields: Fields<'_>) -> MeshServicesMode {
    let modes = [
        ("Disabled", MeshServicesMode::Disabled),
        ("Everywhere", MeshServicesMode::Everywhere),
        ("ReachableBackends", MeshServicesMode::ReachableBackends),
        ("Exclusive", MeshServicesMode::Exclusive),
    ];
    fields.choice("mode", &modes).unwrap_or_default()
}
