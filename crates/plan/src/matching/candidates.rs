//! Which policies may select a proxy: found by index, so that planning one proxy does not read every policy.

use model::reference::SERVICE_TAG;
use model::resource::DISPLAY_NAME_LABEL;
use model::{Kind, Profile, RefKind, Resource, Spec, TargetRef};

use crate::snapshot::PairIndex;
use crate::view::View;

/// Where policies are found that must be looked at for every proxy.
const ALWAYS: (&str, &str) = ("", "");
/// Prefixes keep tags, labels and names apart.
const TAG: &str = "tag ";
const LABEL: &str = "label ";
const NAME: &str = "name";

/// Adds a policy to the index under one condition that every proxy it selects fulfils.
pub(crate) fn index_target(index: &mut PairIndex, resource: &Resource, at: u32, profile: Profile) {
    let Spec::Policy(policy) = &resource.spec else { return };
    let (key, value) = condition_of(policy.target.as_ref(), profile);
    index.add(policy.kind, &key, &value, at);
}

/// The condition that a policy is indexed under.
pub(crate) fn condition_of(target: Option<&TargetRef>, profile: Profile) -> (String, String) {
    let always = || (ALWAYS.0.to_owned(), ALWAYS.1.to_owned());
    let pair = |prefix: &str, (key, value): (&str, &str)| (format!("{prefix}{key}"), value.to_owned());
    let Some(target) = target else { return always() };
    let TargetRef { kind, name, namespace: _, labels, tags, section_name: _, proxy_types: _ } = target;
    let exact_tag = || tags.iter().find(|(_, value)| *value != "*").map(|tag| pair(TAG, tag));
    let service = || name.as_deref().map(|name| pair(TAG, (SERVICE_TAG, name)));
    let found = match kind {
        RefKind::MeshSubset => exact_tag(),
        RefKind::MeshService => service(),
        RefKind::MeshServiceSubset if tags.service().is_none() => service(),
        RefKind::MeshServiceSubset => exact_tag(),
        RefKind::Dataplane => match (name, labels) {
            (Some(name), _) if !profile.refers_by_labels_only() => Some(pair(NAME, ("", name))),
            (_, Some(labels)) => labels.iter().next().map(|label| pair(LABEL, label)),
            (_, None) => None,
        },
        RefKind::Mesh
        | RefKind::MeshGateway
        | RefKind::MeshExternalService
        | RefKind::MeshMultiZoneService
        | RefKind::MeshHTTPRoute => None,
    };
    // `*` as the name of a service is a wildcard for its tag.
    found.filter(|(_, value)| value != "*").unwrap_or_else(always)
}

impl<'a> View<'a> {
    /// The policies of a kind in the proxy's mesh that may select the proxy, in store order.
    pub(crate) fn candidates(&self, kind: Kind) -> Vec<&'a Resource> {
        let snapshot = self.snapshot();
        let in_mesh = snapshot.positions_in_mesh(kind, self.mesh_name());
        let mut found: Vec<u32> = Vec::new();
        let mut look = |key: &str, value: &str| {
            self.reads_policies(kind, key, value);
            let at = snapshot.policies_with(kind, key, value).iter().map(|(_, at)| *at);
            found.extend(at.filter(|at| in_mesh.contains(&(*at as usize))));
        };
        look(ALWAYS.0, ALWAYS.1);
        let meta = &self.resource().meta;
        look(NAME, meta.display_name());
        look(&format!("{LABEL}{DISPLAY_NAME_LABEL}"), meta.display_name());
        for (key, value) in meta.labels.iter() {
            look(&format!("{LABEL}{key}"), value);
        }
        let dataplane = self.dataplane();
        let of_inbounds = dataplane.inbound.iter().map(|inbound| inbound.tags.clone());
        let of_gateway = dataplane.gateway.iter().map(|gateway| gateway.tags.clone());
        let of_listeners = self.listeners().map(|(_, listener)| self.merged_listener_tags(listener));
        for tags in of_inbounds.chain(of_gateway).chain(of_listeners) {
            for (key, value) in tags.iter() {
                look(&format!("{TAG}{key}"), value);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| snapshot.resources()[at as usize].as_ref()).collect()
    }
}
