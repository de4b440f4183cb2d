//! Dangling references: names that no resource has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to know before it has an effect. Only names and labels are compared, anywhere in the mesh: a reference
//! that is reported here dangles for every proxy.

mod lookup;
mod made;
mod selection;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::{Problem, ResourceId, ResourceKey, Severity};
use plan::{Snapshot, Warning};

use lookup::Checker;
use made::{Reference, references};

use super::Compiled;
use crate::Ledger;

/// Dangling reference.
#[derive(Clone, Debug, PartialEq)]
pub struct DanglingReference {
    /// Resource that has the reference.
    pub by: ResourceKey,
    /// Identity of that resource in warnings.
    policy: ResourceId,
    made: Reference,
    /// `true`: worth holding a change back for, as the name of a service that does not exist. A reference that selects
    /// no proxy is only reported, since proxies come and go.
    pub holds_back: bool,
    /// Problem, as a warning.
    pub problem: Problem,
}

impl DanglingReference {
    fn into_objection(self) -> Problem {
        Problem { severity: Severity::Error, ..self.problem }
    }
}

/// Test of warnings of plans: true of those about one of these references.
pub(super) fn meant<'d>(dangling: &'d [DanglingReference]) -> impl Fn(&Warning) -> bool + use<'d> {
    // a route may have thousands of references, and each be remarked on by the plans of thousands of proxies
    let mut known: BTreeMap<&ResourceId, BTreeSet<String>> = BTreeMap::new();
    for DanglingReference { policy, made, .. } in dangling {
        known.entry(policy).or_default().insert(made.to_string());
    }
    move |warning| {
        warning.reference().is_some_and(|(policy, reference)| {
            known.get(policy).is_some_and(|references| references.contains(reference))
        })
    }
}

/// Dangling references of routes and Dataplanes, and routes that select no proxy, in the snapshot made of the ledger.
pub fn dangling(snapshot: &Snapshot, ledger: &Ledger) -> Vec<DanglingReference> {
    ledger.entries().flat_map(|(by, entry)| Checker { snapshot, by, entry }.check()).collect()
}

/// Errors for dangling references that were written since `before`, most likely typing errors. References that lost
/// their target are left out: it was removed on purpose, and the plan reports the consequences.
pub fn newly_dangling(before: &Compiled, dangling: &[DanglingReference]) -> Vec<Problem> {
    let mut known: BTreeMap<&ResourceKey, HashSet<Reference>> = BTreeMap::new();
    let mut new = Vec::new();
    for it in dangling.iter().filter(|it| it.holds_back) {
        let old = known.entry(&it.by).or_insert_with(|| {
            let old = before.resource(&it.by).map(references).unwrap_or_default();
            old.into_iter().map(|(_, reference)| reference).collect()
        });
        if !old.contains(&it.made) {
            new.push(it.clone().into_objection());
        }
    }
    new
}
