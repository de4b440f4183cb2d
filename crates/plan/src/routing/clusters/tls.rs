//! TLS to a cluster: what to send and whom to expect (spec 04 §8.2, §8.3).

use model::topology::{Identity, MeshService};
use model::{Spec, Tags};

use super::{Facts, Offer, Service, View};
use crate::plan::ProxyTls;
use crate::routing::endpoints::{is_local, matched};
use crate::routing::names;

/// TLS to a tag-based service. Whether all of its instances have certificates is known only to the control plane that
/// issued them; while both are accepted they are dialled in plaintext, except by gateways.
pub(super) fn to_tags(
    facts: &Facts<'_>,
    service: &str,
    subset: &Tags,
    mesh: Option<&str>,
    offer: &Offer,
    always_ready: bool,
) -> Option<ProxyTls> {
    let mtls = facts.mtls.as_ref()?;
    let by_egress = match &offer.outside {
        Some(outside) if !outside.by_egress => return None,
        outside => outside.is_some(),
    };
    if mtls.permissive && !always_ready && !by_egress {
        return None;
    }
    let mesh = mesh.unwrap_or(facts.mesh_name);
    Some(tls(facts, names::tag_sni(service, subset, mesh), vec![identity(mesh, service, by_egress)], mesh))
}

/// TLS to a real service.
pub(super) fn to_service(
    view: &View<'_>,
    facts: &Facts<'_>,
    service: &Service<'_>,
    offer: &Offer,
    always_ready: bool,
) -> Option<ProxyTls> {
    let mtls = facts.mtls.as_ref()?;
    let resource = service.resource;
    let mut identities = match resource.spec() {
        Spec::MeshService(spec) => {
            if mtls.permissive && !always_ready && is_local(resource) && !spec.tls_ready {
                return None;
            }
            identities(facts, spec)
        }
        Spec::MeshMultiZoneService(spec) => {
            let services = matched(view, resource, spec);
            let specs = services.iter().filter_map(|resource| match resource.spec() {
                Spec::MeshService(spec) => Some(spec),
                _ => None,
            });
            specs.flat_map(|spec| identities(facts, spec)).collect()
        }
        _ if offer.outside.as_ref().is_some_and(|outside| !outside.by_egress) => return None,
        _ => vec![identity(facts.mesh_name, "", true)],
    };
    identities.sort();
    identities.dedup();
    Some(tls(facts, sni(facts, service), identities, facts.mesh_name))
}

fn tls(facts: &Facts<'_>, sni: String, identities: Vec<String>, mesh: &str) -> ProxyTls {
    let mtls = facts.mtls.as_ref();
    ProxyTls { sni, identities, mesh: mesh.to_owned(), optional: mtls.is_some_and(|mtls| mtls.permissive) }
}

fn identity(mesh: &str, service: &str, by_egress: bool) -> String {
    let service = if by_egress { "zone-egress" } else { service };
    format!("spiffe://{mesh}/{service}")
}

fn identities(facts: &Facts<'_>, service: &MeshService) -> Vec<String> {
    let workload_identity = facts.mtls.as_ref().is_some_and(|mtls| mtls.has_workload_identity());
    let name = |identity: &Identity| match identity {
        Identity::ServiceTag(service) => Some(self::identity(facts.mesh_name, service, false)),
        Identity::SpiffeId(id) => workload_identity.then(|| id.clone()),
    };
    service.identities.iter().filter_map(name).collect()
}

fn sni(facts: &Facts<'_>, service: &Service<'_>) -> String {
    let workload_identity = facts.mtls.as_ref().is_some_and(|mtls| mtls.has_workload_identity());
    if facts.profile.has_readable_snis() && workload_identity {
        return names::readable_sni(&service.id);
    }
    let id = &service.id;
    names::hashed_sni(id.kind, &names::namespaced(id, facts.system_namespace), service.port, &id.mesh)
}
