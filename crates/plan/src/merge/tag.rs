//! Rules about destinations and sources by tag (spec 03 §4).
//!
//! With at most one tag key there is one rule for each distinct subset, and lookups take the first that fits. With more
//! keys (or for sources, always) subsets may overlap without one containing the other; then every combination of having
//! and lacking the tags of overlapping subsets is a rule of its own, as in the reference.

mod cliques;
mod groups;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use model::policy::Policy;
use model::reference::SERVICE_TAG;
use model::resource::DISPLAY_NAME_LABEL;
use model::{Kind, Profile, RefKind, Tags, TargetRef};

use crate::merge::conf;
use crate::merge::item::Item;
use crate::rules::{Merged, Subset, SubsetTag, TagRule};

pub(crate) use cliques::TooManyTags;

/// Item, and the destinations or sources it is about.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) item: Item<'a>,
    pub(crate) subset: Tags,
}

/// Reason why no rules by tag could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TagError {
    #[error("can't represent {0} as tags")]
    NoTags(RefKind),
    #[error(transparent)]
    TooManyTags(#[from] TooManyTags),
}

/// Combinations of tags that get a rule of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Negations {
    /// Only the combinations needed for the first rule that fits to be the right one.
    AsNeeded,
    /// Every combination.
    Always,
}

/// Returns the tags that an item is about.
pub(crate) fn subset(target: &TargetRef, profile: Profile) -> Result<Tags, TagError> {
    let name = || match &target.labels {
        Some(labels) if profile.refers_by_labels_only() => labels.get(DISPLAY_NAME_LABEL).unwrap_or_default(),
        _ => target.name.as_deref().unwrap_or_default(),
    };
    let service = || Tags::from_iter([(SERVICE_TAG, name())]);
    match target.kind {
        RefKind::Mesh => Ok(Tags::default()),
        RefKind::MeshSubset => Ok(target.tags.clone()),
        RefKind::MeshService => Ok(service()),
        RefKind::MeshServiceSubset => Ok(service().merged(&target.tags)),
        RefKind::Dataplane
        | RefKind::MeshGateway
        | RefKind::MeshExternalService
        | RefKind::MeshMultiZoneService
        | RefKind::MeshHTTPRoute => Err(TagError::NoTags(target.kind)),
    }
}

/// Returns `true` if the item takes part in rules by tag (spec 03 §4.1).
pub(crate) fn takes_part(target: &TargetRef, policy: &Policy, profile: Profile) -> bool {
    let hidden = profile.http_route_items_hide_tag_rules()
        && policy.to.iter().any(|item| item.target.kind == RefKind::MeshHTTPRoute);
    let is_old = match target.kind {
        RefKind::Mesh
        | RefKind::MeshSubset
        | RefKind::MeshGateway
        | RefKind::MeshService
        | RefKind::MeshServiceSubset
        | RefKind::MeshHTTPRoute => true,
        RefKind::Dataplane | RefKind::MeshExternalService | RefKind::MeshMultiZoneService => false,
    };
    !hidden && (is_old || !profile.has_resource_rules())
}

/// Makes the rules of entries, least important first; the rules with most tags come first.
pub(crate) fn rules(
    kind: Kind,
    entries: &[Entry<'_>],
    negations: Negations,
    profile: Profile,
) -> Result<Vec<TagRule>, TagError> {
    let keys: BTreeSet<&str> = entries.iter().flat_map(|e| e.subset.iter().map(|(key, _)| key)).collect();
    let mut rules = Vec::new();
    let mut add = |subset: Subset, relevant: &mut dyn Iterator<Item = &Entry<'_>>| {
        let relevant: Vec<&Item<'_>> = relevant.map(|entry| &entry.item).collect();
        for merged in merge(kind, &relevant, profile) {
            rules.push(TagRule { subset: subset.clone(), merged });
        }
    };
    if negations == Negations::AsNeeded && keys.len() <= 1 {
        for (subset, positions) in by_subset(entries) {
            add(subset, &mut positions.iter().map(|at| &entries[*at]));
        }
    } else {
        for (combination, about) in groups::combinations(entries, profile.overlaps())? {
            add(combination, &mut about.iter().map(|at| &entries[*at]));
        }
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.subset.0.iter().filter(|tag| !tag.not).count()));
    Ok(rules)
}

/// With one key, a subset is everything or one value. Returns each distinct one in the order of its first
/// occurrence, with the positions of the entries that contain it.
fn by_subset(entries: &[Entry<'_>]) -> Vec<(Subset, Vec<usize>)> {
    let everything: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].subset.is_empty()).collect();
    let mut found: Vec<(Subset, Vec<usize>)> = Vec::new();
    let mut place: BTreeMap<&Tags, usize> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let place = *place.entry(&entry.subset).or_insert_with(|| {
            found.push((Subset::of(&entry.subset), Vec::new()));
            found.len() - 1
        });
        found[place].1.push(at);
    }
    for (subset, positions) in &mut found {
        if !subset.is_everything() {
            positions.extend(&everything);
            positions.sort_unstable();
        }
    }
    found
}

/// Merges the confs of items, least important first, into one conf (or several, for MeshHTTPRoute) with its
/// origins.
pub(crate) fn merge(kind: Kind, relevant: &[&Item<'_>], profile: Profile) -> Vec<Merged> {
    let confs = conf::merged(kind, relevant.iter().map(|item| item.conf));
    if confs.is_empty() {
        return Vec::new();
    }
    let mut origins: Vec<&Item<'_>> = Vec::new();
    for item in relevant {
        match origins.iter_mut().find(|known| known.same_policy(item)) {
            Some(known) => *known = item,
            None => origins.push(item),
        }
    }
    let origins: Vec<_> = origins.into_iter().map(Item::origin).collect();
    let backend_ref_origins = backend_ref_origins(kind, relevant, profile);
    confs
        .into_iter()
        .map(|conf| Merged {
            confs: vec![conf],
            origins: origins.clone(),
            backend_ref_origins: backend_ref_origins.clone(),
        })
        .collect()
}

/// Returns the policies that contributed the backendRefs, by the hash of the rule's matches (spec 03 §4.5).
pub(crate) fn backend_ref_origins(
    kind: Kind,
    relevant: &[&Item<'_>],
    profile: Profile,
) -> BTreeMap<String, crate::plan::PolicyOrigin> {
    if !profile.records_backend_ref_origins(kind) {
        return BTreeMap::new();
    }
    let mut origins = BTreeMap::new();
    for item in relevant {
        for hash in conf::backend_ref_hashes(kind, item.conf) {
            origins.insert(hash, item.origin());
        }
    }
    origins
}

/// Builds one tag of a combination.
pub(crate) fn tag(key: &str, value: &str, not: bool) -> SubsetTag {
    SubsetTag { key: key.to_owned(), value: value.to_owned(), not }
}
