//! Consistent parts of a draft, and the resources that have to wait.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{Gap, gaps};
use super::{Id, Received, Resources};

/// Resources taken out of a draft for a while; `None`: the removal of the resource.
pub(super) type Withheld = BTreeMap<Id, Option<Received>>;

/// Withholds resources that need a missing one, and removals of resources that are still needed.
pub(super) fn withhold(draft: &mut Resources, accepted: &Resources) -> Withheld {
    let mut withheld = Withheld::new();
    loop {
        let open: BTreeSet<Id> = gaps(draft)
            .filter_map(|Gap { of, missing }| {
                [of, missing].into_iter().find(|id| find(draft, id) != find(accepted, id))
            })
            .collect();
        if open.is_empty() {
            return withheld;
        }
        for id in open {
            let arrived = find(draft, &id).cloned();
            put(draft, &id, find(accepted, &id).cloned());
            withheld.insert(id, arrived);
        }
    }
}

/// Undoes removals of resources that a remaining resource needs. Returns each of them with the resource that needs it.
pub(super) fn keep_needed(draft: &mut Resources, accepted: &Resources) -> Vec<Gap> {
    let mut kept = Vec::new();
    loop {
        let is_old = |id: &Id| find(draft, id) == find(accepted, id);
        let needed: Vec<Gap> = gaps(draft).filter(|gap| is_old(&gap.of) && !is_old(&gap.missing)).collect();
        if needed.is_empty() {
            return kept;
        }
        for gap in needed {
            put(draft, &gap.missing, find(accepted, &gap.missing).cloned());
            kept.push(gap);
        }
    }
}

/// Puts back what was withheld.
pub(super) fn put_back(draft: &mut Resources, withheld: Withheld) {
    for (id, arrived) in withheld {
        put(draft, &id, arrived);
    }
}

/// Restores the accepted state of a resource.
pub(super) fn restore(draft: &mut Resources, accepted: &Resources, id: &Id) {
    put(draft, id, find(accepted, id).cloned());
}

fn find<'a>(resources: &'a Resources, (type_url, name): &Id) -> Option<&'a Received> {
    resources.get(type_url)?.get(name)
}

fn put(resources: &mut Resources, (type_url, name): &Id, received: Option<Received>) {
    let of_type = resources.entry(type_url.clone()).or_default();
    match received {
        Some(received) => drop(of_type.insert(name.clone(), received)),
        None => drop(of_type.remove(name)),
    }
}
