//! References that lead nowhere: a name that nobody has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to hear it before it does anything. Only names and labels are looked at, anywhere in the mesh: what is
//! reported here is missing for every proxy.

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

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Dangling {
    /// The resource that makes it.
    pub by: ResourceKey,
    /// What it is called everywhere.
    policy: ResourceId,
    made: Reference,
    /// Whether it is worth holding a change back for: a name of a service that nobody has. That nobody is selected is told
    /// only, since proxies come and go.
    pub holds_back: bool,
    /// The problem, as a warning.
    pub problem: Problem,
}

impl Dangling {
    fn into_objection(self) -> Problem {
        Problem { severity: Severity::Error, ..self.problem }
    }
}

/// Test of warnings of plans: true of those about one of these references.
pub(super) fn meant<'d>(dangling: &'d [Dangling]) -> impl Fn(&Warning) -> bool + use<'d> {
    // a route may have thousands of references, and each be remarked on by the plans of thousands of proxies
    let mut known: BTreeMap<&ResourceId, BTreeSet<String>> = BTreeMap::new();
    for Dangling { policy, made, .. } in dangling {
        known.entry(policy).or_default().insert(made.to_string());
    }
    move |warning| {
        warning.reference().is_some_and(|(policy, reference)| {
            known.get(policy).is_some_and(|references| references.contains(reference))
        })
    }
}

/// Every reference of routes and Dataplanes that leads nowhere, and every route that selects no proxy, in the snapshot made of the ledger.
pub fn dangling(snapshot: &Snapshot, ledger: &Ledger) -> Vec<Dangling> {
    ledger.entries().flat_map(|(by, entry)| Checker { snapshot, by, entry }.check()).collect()
}

/// Objects to references that lead nowhere and were written since `before`: a slip, most likely. Those that lost their
/// target are none of this: somebody removed it on purpose, and the plan says what that means.
pub fn newly_dangling(before: &Compiled, dangling: &[Dangling]) -> Vec<Problem> {
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
