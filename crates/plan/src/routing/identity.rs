//! Identity of a proxy, and the peers that it trusts (spec 07 §4, §12, §13).

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
/// Zone of a control plane without a configured zone.
const DEFAULT_ZONE: &str = "default";

/// Returns the identity of the proxy, and the peers that it trusts; absent: it speaks plaintext.
pub(super) fn of_proxy(
    view: &View<'_>,
    mesh: &Mesh,
    zone: Option<&str>,
    unified_names: bool,
) -> Option<Mtls> {
    let profile = view.profile();
    let backend = mesh.mtls().filter(|_| profile.has_mesh_mtls());
    let in_mesh = |permissive, identity, uris, trust| Mtls {
        mesh: view.mesh_name().to_owned(),
        permissive,
        identity,
        uris,
        trust,
        unified_names,
    };
    let (reader, mesh_name) = (view.reader(), view.mesh_name());
    if let Some((resource, identity)) = workload_identity(view, mesh) {
        let mut provider = provider(identity);
        let trust = trust_of(reader, mesh, mesh_name, &provider, zone);
        if let Provider::Spire { timeout: _, socket } = &mut provider {
            *socket = view.features().spire_socket;
        }
        let uris = spiffe_id(profile, view.resource(), resource, identity, zone).map(|id| vec![id]);
        return Some(in_mesh(false, Identity::Workload { by: resource.id(), provider }, uris, trust));
    }
    if view.features().workload_identity {
        let nobody = String::new;
        let by = ResourceId {
            kind: Kind::MeshIdentity,
            mesh: mesh_name.to_owned(),
            zone: nobody(),
            namespace: nobody(),
            name: nobody(),
            section: nobody(),
        };
        let trust = trust_of(reader, mesh, mesh_name, &Provider::Bundled, zone);
        let identity = Identity::Workload { by, provider: Provider::Bundled };
        return Some(in_mesh(false, identity, Ok(Vec::new()), trust));
    }
    let backend = backend?;
    let trust = match domains(reader, mesh, mesh_name, zone) {
        trust @ Trust::Domains { with_mesh_ca: true, .. } => trust,
        _ => Trust::MeshCa,
    };
    Some(in_mesh(
        backend.mode == MtlsMode::Permissive,
        Identity::MeshCa { backend: backend.name.clone() },
        uris(profile, view.mesh_name(), view.resource(), view.dataplane()),
        trust,
    ))
}

/// Returns a warning about an identity, if there is reason for one.
pub(super) fn warning(mtls: &Mtls) -> Option<String> {
    let effect = "the proxy takes and makes no connection of the mesh";
    match (&mtls.uris, &mtls.identity) {
        (Err(why), identity) => Some(format!("no certificate can be issued by {identity}: {why}; {effect}")),
        (Ok(uris), Identity::MeshCa { .. }) if uris.is_empty() => Some(format!(
            "its certificate names nobody, because the Dataplane has neither inbounds nor tags: {effect}"
        )),
        (Ok(_), Identity::MeshCa { .. } | Identity::Workload { .. }) => None,
    }
}

/// Returns the MeshIdentity that fits a Dataplane best: of those that select it the one with the most labels in its
/// selector, the first by name among equals (spec 07 §12.2).
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
    // number of labels in its selector; absent: it does not select the proxy
    let fits = |identity: &MeshIdentity| {
        identity.selects.as_ref().filter(|wanted| wanted.matches(labels)).map(|wanted| wanted.iter().count())
    };
    let fitting = identities.filter_map(|found| Some((fits(found.1)?, found)));
    fitting
        .min_by_key(|(labels, (resource, _))| (Reverse(*labels), resource.meta().display_name()))
        .map(|(_, found)| found)
}

/// The best MeshIdentity of the proxy, if certificates are issued by it. One that cannot issue any yet counts where the mesh has no CA
/// of its own: the proxy is told nothing new until it has a certificate, and never to speak plaintext (docs/adr/0041).
fn workload_identity<'a>(view: &View<'a>, mesh: &Mesh) -> Option<(&'a Resource, &'a MeshIdentity)> {
    let profile = view.profile();
    if !profile.has_workload_identities() {
        return None;
    }
    let found = best(view.reader(), view.mesh_name(), &view.resource().meta().labels)?;
    let has_other = profile.has_mesh_mtls() && mesh.mtls().is_some();
    let is_awaited = !has_other
        && is_in_force(profile, mesh)
        && found.1.provider.is_some()
        && found.1.readiness == Some(IdentityReadiness::Failed);
    (is_awaited || is_initialised(profile, mesh, found.1)).then_some(found)
}

/// Returns `true` if certificates are issued by a MeshIdentity (spec 07 §12.7). While no control plane has set its
/// status, computed as one would.
pub(super) fn is_initialised(profile: Profile, mesh: &Mesh, identity: &MeshIdentity) -> bool {
    let is_issued =
        matches!(identity.provider, Some(IdentityProvider::Bundled { .. } | IdentityProvider::Spire { .. }));
    is_issued
        && is_published(profile, mesh, identity)
        && identity.readiness != Some(IdentityReadiness::PartiallyReady)
}

/// Returns `true` if the names that a MeshIdentity gives are in use: clients learn them before certificates are
/// issued (spec 07 §12.4).
pub(super) fn is_published(profile: Profile, mesh: &Mesh, identity: &MeshIdentity) -> bool {
    is_in_force(profile, mesh)
        && profile.has_workload_identities()
        && identity.provider != Some(IdentityProvider::Extension)
        && identity.readiness != Some(IdentityReadiness::Failed)
}

/// Whether MeshIdentities of a mesh do anything (spec 07 §12.2).
fn is_in_force(profile: Profile, mesh: &Mesh) -> bool {
    profile.always_exclusive_mesh_services() || mesh.mesh_services == MeshServicesMode::Exclusive
}

/// Provider of the certificates of a MeshIdentity that is initialised.
pub(super) fn provider(identity: &MeshIdentity) -> Provider {
    match identity.provider {
        Some(IdentityProvider::Spire { timeout }) => Provider::Spire { timeout, socket: None },
        Some(IdentityProvider::Bundled { .. } | IdentityProvider::Extension) | None => Provider::Bundled,
    }
}

/// Returns the peers that proxies with certificates of a provider trust.
pub(super) fn trust_of(
    reader: &Reader<'_>,
    mesh: &Mesh,
    mesh_name: &str,
    provider: &Provider,
    zone: Option<&str>,
) -> Trust {
    match provider {
        Provider::Spire { .. } => Trust::Spire,
        Provider::Bundled => domains(reader, mesh, mesh_name, zone),
    }
}

/// Returns the authorities of all trust domains that a mesh knows, with its own CA where the profile adds it. A
/// domain whose MeshTrust does not exist yet has no authority.
fn domains(reader: &Reader<'_>, mesh: &Mesh, mesh_name: &str, zone: Option<&str>) -> Trust {
    let profile = reader.profile();
    let mut bundles = BTreeMap::<String, Vec<_>>::new();
    for resource in reader.in_mesh(Kind::MeshTrust, mesh_name) {
        let Spec::MeshTrust(trust) = resource.spec() else { continue };
        bundles.entry(trust.domain.clone()).or_default().extend(trust.bundles.iter().cloned());
    }
    for resource in reader.in_mesh(Kind::MeshIdentity, mesh_name) {
        let Spec::MeshIdentity(identity) = resource.spec() else { continue };
        if identity.provider == Some(IdentityProvider::Bundled { creates_trust: true })
            && is_initialised(profile, mesh, identity)
            && let Ok(domain) = trust_domain(resource, identity, zone)
        {
            bundles.entry(domain).or_default();
        }
    }
    let with_mesh_ca = profile.mesh_ca_joins_domains() && mesh.mtls().is_some() && !bundles.is_empty();
    Trust::Domains { bundles, with_mesh_ca }
}

/// Returns the trust domain of a MeshIdentity in a zone, for Dataplanes without labels.
///
/// # Errors
///
/// A template that needs a label, or has an unknown action.
pub fn trust_domain(
    resource: &Resource,
    identity: &MeshIdentity,
    zone: Option<&str>,
) -> Result<String, Unissued> {
    domain(
        &TemplateValues {
            mesh: resource.meta().mesh.as_str(),
            zone: zone_of(resource, zone),
            labels: &Labels::default(),
        },
        identity,
    )
}

/// Values for the placeholders of templates.
struct TemplateValues<'a> {
    mesh: &'a str,
    zone: &'a str,
    labels: &'a Labels,
}

impl TemplateValues<'_> {
    fn fill(&self, template: &Template) -> Result<String, Unissued> {
        let label = |key| self.labels.get(key).unwrap_or_default();
        let piece = |piece: &TemplatePiece| match piece {
            TemplatePiece::Text(text) => Ok(text.clone()),
            TemplatePiece::Mesh => Ok(self.mesh.to_owned()),
            TemplatePiece::Zone => Ok(self.zone.to_owned()),
            TemplatePiece::Namespace => Ok(label(NAMESPACE_LABEL).to_owned()),
            TemplatePiece::ServiceAccount => Ok(label(SERVICE_ACCOUNT_LABEL).to_owned()),
            TemplatePiece::Workload => Ok(label(WORKLOAD_LABEL).to_owned()),
            TemplatePiece::Label(key) => match self.labels.get(key) {
                Some(value) => Ok(value.to_owned()),
                None => Err(Unissued::NoLabel { label: key.clone() }),
            },
            TemplatePiece::Unknown(action) => Err(Unissued::UnknownAction { action: action.clone() }),
        };
        template.0.iter().map(piece).collect()
    }
}

fn domain(values: &TemplateValues<'_>, identity: &MeshIdentity) -> Result<String, Unissued> {
    let TemplateValues { mesh, zone, labels: _ } = values;
    identity
        .trust_domain
        .as_ref()
        .map_or_else(|| Ok(format!("{mesh}.{zone}.mesh.local")), |it| values.fill(it))
}

/// Zone of a MeshIdentity: its own, or else the one it is used in.
fn zone_of<'a>(resource: &'a Resource, zone: Option<&'a str>) -> &'a str {
    Some(resource.meta().zone()).filter(|own| !own.is_empty()).or(zone).unwrap_or(DEFAULT_ZONE)
}

/// Returns the SPIFFE ID that a MeshIdentity gives a Dataplane (spec 07 §12.3).
///
/// # Errors
///
/// A label that the templates need and the Dataplane lacks, or a result that is not a valid SPIFFE ID.
pub fn spiffe_id(
    profile: Profile,
    dataplane: &Resource,
    resource: &Resource,
    identity: &MeshIdentity,
    zone: Option<&str>,
) -> Result<String, Unissued> {
    let meta = dataplane.meta();
    let labels = &meta.labels;
    let values = TemplateValues { mesh: meta.mesh.as_str(), zone: zone_of(resource, zone), labels };
    let label = |key| labels.get(key).unwrap_or_default();
    let is_kubernetes = labels.get(ENV_LABEL) == Some("kubernetes") || labels.get(NAMESPACE_LABEL).is_some();
    let domain = domain(&values, identity)?;
    let path = match &identity.path {
        Some(path) => values.fill(path)?,
        None if is_kubernetes || !profile.has_workload_labels() => {
            format!("/ns/{}/sa/{}", label(NAMESPACE_LABEL), label(SERVICE_ACCOUNT_LABEL))
        }
        None => format!("/workload/{}", label(WORKLOAD_LABEL)),
    };
    let id = format!("spiffe://{domain}{path}");
    match broken_spiffe_id(&id) {
        Some(why) => Err(Unissued::BadId { id, why }),
        None => Ok(id),
    }
}

/// Returns the URI SANs of a certificate of the mesh's CA (spec 07 §4): the services of all inbounds, then all
/// tags.
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
