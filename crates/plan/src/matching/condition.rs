//! Conditions under which policies are indexed: every proxy that the policy selects fulfils its condition.

use model::reference::SERVICE_TAG;
use model::{Profile, RefKind, Resource, Spec, TargetRef};

use crate::pairs::PairIndex;

/// Condition of policies that must be looked at for every proxy.
pub(super) const ALWAYS: (&str, &str) = ("", "");
/// Prefix of tags, which keeps tags, labels and names apart.
pub(super) const TAG: &str = "tag ";
pub(super) const LABEL: &str = "label ";
pub(super) const NAME: &str = "name";

/// Adds a policy to the index under one condition that every proxy it selects fulfils.
pub(crate) fn index_target(index: &mut PairIndex, resource: &Resource, at: u32, profile: Profile) {
    let Spec::Policy(policy) = resource.spec() else { return };
    let (key, value) = condition_of(policy.target.as_ref(), profile);
    index.add(policy.kind, &key, &value, at);
}

/// Returns the condition that a policy is indexed under.
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
