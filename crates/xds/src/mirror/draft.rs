//! What of a draft goes together, and what has to wait.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{Gap, gaps};
use super::{Id, Received, Resources};

/// What was taken out of a draft for a while; `None`: that the resource is gone.
pub(super) type Withheld = BTreeMap<Id, Option<Received>>;

/// Takes what needs something that is not there out of a draft, and the removal of what is still needed.
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

/// Takes the removal of what is needed by something that stays out of a draft. Returns what that was, and what needs it.
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

/// Makes a resource again what it is among those that were accepted.
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
