//! Identities of the instances of a MeshService, and its TLS readiness (spec 07 §8.2).

use std::collections::BTreeSet;

use model::topology::{Dataplane, Identity, Mesh, MeshService, ServiceSelector};
use model::{Kind, ProxyKey, Resource, Spec};

use super::endpoints::is_local;
use super::endpoints::local::selected;
use super::identity;
use crate::plan::Trust;
use crate::reader::Reader;

/// Identities and TLS readiness that a zone's control plane computes for its own MeshService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceIdentities {
    /// `spec.identities`: tags first, then SPIFFE IDs, each sorted.
    pub identities: Vec<Identity>,
    /// `true`: `status.tls.status` is `Ready`.
    pub tls_ready: bool,
}

/// Computes them for a MeshService of this zone; `None` for other resources.
pub(crate) fn found(
    reader: &Reader<'_>,
    resource: &Resource,
    is_certified: impl Fn(&ProxyKey) -> bool,
) -> Option<ServiceIdentities> {
    let Spec::MeshService(spec) = resource.spec() else { return None };
    let zone = reader.context().zone.as_deref();
    is_local(resource).then(|| ServiceIdentities {
        identities: of_service(reader, resource, spec, zone),
        tls_ready: is_ready(reader, resource, spec, zone, is_certified),
    })
}

/// Returns the identities of the instances of a MeshService of this zone.
pub(super) fn of_service(
    reader: &Reader<'_>,
    resource: &Resource,
    spec: &MeshService,
    zone: Option<&str>,
) -> Vec<Identity> {
    let mesh = resource.meta().mesh.as_str();
    let mut found = BTreeSet::new();
    for (owner, dataplane) in selected(reader, mesh, spec) {
        if reader.profile().has_mesh_mtls() {
            found.extend(tags(dataplane, &spec.selector).map(Identity::ServiceTag));
        }
        if let Some((by, best)) = identity::best(reader, mesh, &owner.meta().labels)
            && identity::is_published(reader.profile(), &mesh_of(reader, mesh), best)
        {
            let id = identity::spiffe_id(reader.profile(), owner, by, best, zone);
            found.extend(id.ok().map(Identity::SpiffeId));
        }
    }
    found.into_iter().collect()
}

/// Returns the services of the inbounds that a selector selects.
fn tags<'d>(dataplane: &'d Dataplane, selector: &'d ServiceSelector) -> impl Iterator<Item = String> + 'd {
    let means = |tags: &model::Tags| match selector {
        ServiceSelector::Tags(wanted) => wanted.matches(tags),
        ServiceSelector::None | ServiceSelector::Name { .. } | ServiceSelector::Labels(_) => true,
    };
    let inbounds = dataplane.inbound.iter().map(|inbound| &inbound.tags).filter(move |tags| means(tags));
    inbounds.filter_map(|tags| tags.service().map(str::to_owned))
}

/// Returns `true` if all instances of a MeshService of this zone terminate TLS. Once reported it stays so: a later
/// instance without a certificate does not bring plaintext back.
pub(super) fn is_ready(
    reader: &Reader<'_>,
    resource: &Resource,
    spec: &MeshService,
    zone: Option<&str>,
    is_certified: impl Fn(&ProxyKey) -> bool,
) -> bool {
    let (profile, name) = (reader.profile(), resource.meta().mesh.as_str());
    let mesh = mesh_of(reader, name);
    let mut instances = selected(reader, name, spec).into_iter().map(|(owner, _)| owner);
    if profile.has_mesh_mtls() && mesh.mtls().is_some() {
        let key =
            |owner: &Resource| ProxyKey { mesh: owner.meta().mesh.clone(), name: owner.meta().name.clone() };
        return spec.tls_ready == Some(true) || instances.all(|owner| is_certified(&key(owner)));
    }
    let has_identities =
        profile.has_workload_identities() && !reader.in_mesh(Kind::MeshIdentity, name).is_empty();
    has_identities && instances.all(|owner| is_believed(reader, &mesh, owner, zone))
}

/// Returns `true` if a Dataplane has a workload identity that others trust.
fn is_believed(reader: &Reader<'_>, mesh: &Mesh, owner: &Resource, zone: Option<&str>) -> bool {
    let Some((by, best)) = identity::best(reader, owner.meta().mesh.as_str(), &owner.meta().labels) else {
        return false;
    };
    if !identity::is_initialised(reader.profile(), mesh, best) {
        return false;
    }
    match identity::trust_of(reader, mesh, owner.meta().mesh.as_str(), &identity::provider(best), zone) {
        Trust::Domains { bundles, with_mesh_ca: _ } => {
            let domain = |id: &str| {
                let rest = id.strip_prefix("spiffe://").unwrap_or(id);
                rest.split('/').next().unwrap_or_default().to_owned()
            };
            identity::spiffe_id(reader.profile(), owner, by, best, zone)
                .is_ok_and(|id| bundles.contains_key(&domain(&id)))
        }
        Trust::Spire | Trust::MeshCa => true,
    }
}

/// Returns the workload identity of a Dataplane, as its SPIFFE ID.
pub(super) fn of_dataplane(reader: &Reader<'_>, resource: &Resource, zone: Option<&str>) -> Option<String> {
    let mesh = resource.meta().mesh.as_str();
    let (by, best) = identity::best(reader, mesh, &resource.meta().labels)?;
    identity::is_initialised(reader.profile(), &mesh_of(reader, mesh), best)
        .then(|| identity::spiffe_id(reader.profile(), resource, by, best, zone).ok())
        .flatten()
}

/// Returns the settings of a mesh; defaults if it has no resource.
fn mesh_of(reader: &Reader<'_>, name: &str) -> Mesh {
    match reader.named(Kind::Mesh, "", name).map(Resource::spec) {
        Some(Spec::Mesh(mesh)) => mesh.clone(),
        _ => Mesh::default(),
    }
}
