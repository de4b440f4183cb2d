//! Rules about real destinations (2.9+, spec 03 §5).

use std::collections::{BTreeMap, BTreeSet};

use model::{Kind, Profile, RefKind, Resource, ResourceId};

use crate::matching::policy_of;
use crate::merge::conf;
use crate::merge::item::{Item, to_items};
use crate::merge::resolve::{has_sections, resolve};
use crate::merge::tag::backend_ref_origins;
use crate::precedence::ItemPrecedence;
use crate::reader::Destinations;
use crate::rules::{Merged, ResourceRule};

/// Returns the `to` items of policies in the order of their importance, least first; ties keep the given order.
pub(crate) fn sorted_items<'a>(policies: &[&'a Resource], profile: Profile) -> Vec<Item<'a>> {
    let mut items = to_items(policies);
    items.sort_by_cached_key(|item| ItemPrecedence::of(item.resource, item.policy, item.target, profile));
    items
}

/// Makes the rules of policies, by the resource (and port) that they are about.
pub(crate) fn rules(
    destinations: Destinations<'_>,
    kind: Kind,
    policies: &[&Resource],
) -> BTreeMap<ResourceId, ResourceRule> {
    // Policies for a MeshHTTPRoute as a whole are among the rules by tag, by the hash of its matches.
    let policies: Vec<&Resource> = policies.iter().copied().filter(|p| !is_for_http_route(p)).collect();
    let items = sorted_items(&policies, destinations.profile());

    let mut of_mesh: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut of_resource: BTreeMap<ResourceId, Vec<(usize, String)>> = BTreeMap::new();
    let mut keys: BTreeSet<ResourceId> = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        for id in resolve(destinations, &item.resource.id(), item.target) {
            if id.kind == Kind::Mesh {
                of_mesh.entry(id.name.clone()).or_default().push(at);
            } else {
                of_resource.entry(id.with_section("")).or_default().push((at, id.section.clone()));
            }
            keys.insert(id);
        }
    }

    let rule = |key: ResourceId| {
        let mesh = if key.kind == Kind::Mesh { &key.name } else { &key.mesh };
        let of_mesh = of_mesh.get(mesh).into_iter().flatten().copied();
        let own = of_resource.get(&key.with_section("")).into_iter().flatten();
        let own = own.filter(|(_, section)| *section == key.section || speaks_of_ports_too(&key, section));
        let mut relevant: Vec<usize> = of_mesh.chain(own.map(|(at, _)| *at)).collect();
        relevant.sort_unstable();
        relevant.dedup();
        let relevant: Vec<&Item<'_>> = relevant.into_iter().map(|at| &items[at]).collect();
        let merged = Merged {
            confs: conf::merged(kind, relevant.iter().map(|item| item.conf)),
            origins: relevant.iter().map(|item| item.origin()).collect(),
            backend_ref_origins: backend_ref_origins(kind, &relevant, destinations.profile()),
        };
        (key.clone(), ResourceRule { id: key, merged })
    };
    keys.into_iter().map(rule).collect()
}

/// Returns `true` if a rule applies to the section: a rule about a whole resource applies to its ports too.
fn speaks_of_ports_too(key: &ResourceId, section: &str) -> bool {
    section.is_empty() && has_sections(key.kind)
}

fn is_for_http_route(resource: &Resource) -> bool {
    let target = policy_of(resource).and_then(|policy| policy.target.as_ref());
    target.is_some_and(|target| target.kind == RefKind::MeshHTTPRoute)
}
