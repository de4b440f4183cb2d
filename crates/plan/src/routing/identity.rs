//! Which identity a proxy has, and whom it believes (spec 07 §4, §12, §13).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::draft::broken_spiffe_id;
use model::reference::SERVICE_TAG;
use model::resource::{ENV_LABEL, NAMESPACE_LABEL};
use model::topology::{
    Dataplane, IdentityProvider, IdentityReadiness, Mesh, MeshIdentity, MeshServicesMode, MtlsMode, Template,
    TemplatePiece,
};
use model::{Kind, Labels, Profile, Resource, ResourceId, Spec};

use crate::plan::{Identity, Mtls, Provider, Trust, Unissued};
use crate::reader::Reader;
use crate::view::View;

const SERVICE_ACCOUNT_LABEL: &str = "k8s.kuma.io/service-account";
const WORKLOAD_LABEL: &str = "kuma.io/workload";
/// The zone of a control plane that was given none.
const DEFAULT_ZONE: &str = "default";

/// How the proxy proves who it is, and whom it believes; absent where it speaks plaintext.
pub(super) fn of_proxy(view: &View<'_>, mesh: &Mesh, zone: Option<&str>) -> Option<Mtls> {
    let profile = view.profile();
    let backend = mesh.mtls().filter(|_| profile.has_mesh_mtls());
    let in_mesh = |permissive, identity, uris, trust| Mtls {
        mesh: view.mesh_name().to_owned(),
        permissive,
        identity,
        uris,
        trust,
    };
    if let Some((resource, identity)) = initialised(view, mesh) {
        let provider = match identity.provider {
            Some(IdentityProvider::Spire { timeout }) => Provider::Spire { timeout },
            _ => Provider::Bundled,
        };
        let trust = match provider {
            Provider::Spire { .. } => Trust::Spire,
            Provider::Bundled => domains(view.reader(), view.mesh_name(), backend.is_some()),
        };
        let uris = spiffe_id(profile, view.resource(), resource, identity, zone).map(|id| vec![id]);
        return Some(in_mesh(false, Identity::Workload { by: resource.id(), provider }, uris, trust));
    }
    if view.features().workload_identity {
        let (kind, mesh, nobody) = (Kind::MeshIdentity, view.mesh_name().to_owned(), String::new);
        let by =
            ResourceId { kind, mesh, zone: nobody(), namespace: nobody(), name: nobody(), section: nobody() };
        let trust = domains(view.reader(), view.mesh_name(), backend.is_some());
        let identity = Identity::Workload { by, provider: Provider::Bundled };
        return Some(in_mesh(false, identity, Ok(Vec::new()), trust));
    }
    let backend = backend?;
    let believes_domains = profile.mesh_ca_joins_domains();
    let trust = match domains(view.reader(), view.mesh_name(), true) {
        Trust::Domains { bundles, .. } if bundles.is_empty() || !believes_domains => Trust::MeshCa,
        trust => trust,
    };
    Some(in_mesh(
        backend.mode == MtlsMode::Permissive,
        Identity::MeshCa { backend: backend.name.clone() },
        uris(profile, view.mesh_name(), view.resource(), view.dataplane()),
        trust,
    ))
}

/// The MeshIdentity that fits a Dataplane best: of those that select it the one that asks for most labels, the first by
/// name among equals (spec 07 §12.2).
pub(crate) fn best<'a>(
    reader: &Reader<'a>,
    mesh: &str,
    labels: &Labels,
) -> Option<(&'a Resource, &'a MeshIdentity)> {
    let identities =
        reader.in_mesh(Kind::MeshIdentity, mesh).iter().filter_map(|resource| match resource.spec() {
            Spec::MeshIdentity(identity) => Some((resource.as_ref(), identity)),
            _ => None,
        });
    // how many labels it asks for; absent: it does not select the proxy
    let fits = |identity: &MeshIdentity| {
        identity.selects.as_ref().filter(|wanted| wanted.matches(labels)).map(|wanted| wanted.iter().count())
    };
    let fitting = identities.filter_map(|found| Some((fits(found.1)?, found)));
    fitting
        .min_by_key(|(labels, (resource, _))| (Reverse(*labels), resource.meta().display_name()))
        .map(|(_, found)| found)
}

/// The best MeshIdentity of the proxy, if certificates are issued by it.
fn initialised<'a>(view: &View<'a>, mesh: &Mesh) -> Option<(&'a Resource, &'a MeshIdentity)> {
    let profile = view.profile();
    if !profile.has_workload_identities() {
        return None;
    }
    let found = best(view.reader(), view.mesh_name(), &view.resource().meta().labels)?;
    is_initialised(profile, mesh, found.1).then_some(found)
}

/// Whether certificates are issued by a MeshIdentity (spec 07 §12.7). Where no control plane has said anything yet, by
/// what one would say.
pub(crate) fn is_initialised(profile: Profile, mesh: &Mesh, identity: &MeshIdentity) -> bool {
    let has_services =
        profile.always_exclusive_mesh_services() || mesh.mesh_services == MeshServicesMode::Exclusive;
    let is_issued = match identity.provider {
        Some(IdentityProvider::Bundled | IdentityProvider::Spire { .. }) => true,
        Some(IdentityProvider::Extension) | None => false,
    };
    has_services
        && is_issued
        && match identity.readiness {
            None | Some(IdentityReadiness::Ready) => true,
            Some(IdentityReadiness::PartiallyReady | IdentityReadiness::Failed) => false,
        }
}

/// The authorities of all trust domains that a mesh knows, with its own CA where the profile has it join.
fn domains(reader: &Reader<'_>, mesh: &str, has_mesh_ca: bool) -> Trust {
    let mut bundles = BTreeMap::<String, Vec<_>>::new();
    for resource in reader.in_mesh(Kind::MeshTrust, mesh) {
        let Spec::MeshTrust(trust) = resource.spec() else { continue };
        bundles.entry(trust.domain.clone()).or_default().extend(trust.bundles.iter().cloned());
    }
    let with_mesh_ca = has_mesh_ca && !bundles.is_empty() && reader.profile().mesh_ca_joins_domains();
    Trust::Domains { bundles, with_mesh_ca }
}

/// The SPIFFE ID that a MeshIdentity gives a Dataplane (spec 07 §12.3).
pub(crate) fn spiffe_id(
    profile: Profile,
    dataplane: &Resource,
    resource: &Resource,
    identity: &MeshIdentity,
    zone: Option<&str>,
) -> Result<String, Unissued> {
    use TemplatePiece::{Mesh, Namespace, ServiceAccount, Text, Workload, Zone};
    let meta = dataplane.meta();
    let labels = &meta.labels;
    let label = |key| labels.get(key).unwrap_or_default();
    let own_zone = resource.meta().zone();
    let zone = if own_zone.is_empty() { zone.unwrap_or(DEFAULT_ZONE) } else { own_zone };
    let fill = |template: &Template| {
        template
            .0
            .iter()
            .map(|piece| {
                Ok(match piece {
                    Text(text) => text,
                    Mesh => meta.mesh.as_str(),
                    Zone => zone,
                    Namespace => label(NAMESPACE_LABEL),
                    ServiceAccount => label(SERVICE_ACCOUNT_LABEL),
                    Workload => label(WORKLOAD_LABEL),
                    TemplatePiece::Label(key) => {
                        labels.get(key).ok_or_else(|| Unissued::NoLabel { label: key.clone() })?
                    }
                    TemplatePiece::Unknown(action) => {
                        return Err(Unissued::UnknownAction { action: action.clone() });
                    }
                })
            })
            .collect::<Result<String, Unissued>>()
    };
    let text = |text: &str| Text(text.to_owned());
    let domain = match &identity.trust_domain {
        Some(domain) => fill(domain)?,
        None => fill(&Template(vec![Mesh, text("."), Zone, text(".mesh.local")]))?,
    };
    let in_namespace = labels.get(ENV_LABEL) == Some("kubernetes") || labels.get(NAMESPACE_LABEL).is_some();
    let path = match &identity.path {
        Some(path) => fill(path)?,
        None if in_namespace || !profile.has_workload_labels() => {
            fill(&Template(vec![text("/ns/"), Namespace, text("/sa/"), ServiceAccount]))?
        }
        None => fill(&Template(vec![text("/workload/"), Workload]))?,
    };
    let id = format!("spiffe://{domain}{path}");
    match broken_spiffe_id(&id) {
        Some(why) => Err(Unissued::BadId { id, why }),
        None => Ok(id),
    }
}

/// The URI SANs of a certificate of the mesh's CA (spec 07 §4): the services of all inbounds, then all tags.
fn uris(
    profile: Profile,
    mesh: &str,
    resource: &Resource,
    dataplane: &Dataplane,
) -> Result<Vec<String>, Unissued> {
    let of_gateway = dataplane.gateway.iter().map(|gateway| &gateway.tags);
    let tags = dataplane.inbound.iter().map(|inbound| &inbound.tags).chain(of_gateway);
    let mut pairs: BTreeSet<(&str, &str)> = tags.flat_map(|tags| tags.iter()).collect();
    if pairs.iter().all(|(key, _)| *key != SERVICE_TAG) && profile.identifies_by_workload_label() {
        let workload = resource.meta().labels.get(WORKLOAD_LABEL);
        let unnamed = || Unissued::NoService { dataplane: resource.meta().name.as_str().to_owned() };
        pairs.insert((SERVICE_TAG, workload.ok_or_else(unnamed)?));
    }
    let services: Vec<&str> =
        pairs.iter().filter(|(key, _)| *key == SERVICE_TAG).map(|(_, it)| *it).collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if let Some(bad) = services.iter().find(|service| service.is_empty() || !service.chars().all(fits)) {
        return Err(Unissued::BadService { service: (*bad).to_owned() });
    }
    let by_service = services.iter().map(|service| format!("spiffe://{mesh}/{service}"));
    let by_tag = pairs.iter().map(|(key, value)| format!("kuma://{key}/{value}"));
    Ok(by_service.chain(by_tag).collect())
}
