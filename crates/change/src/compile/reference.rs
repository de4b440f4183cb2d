//! References that lead nowhere: a name that nobody has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to hear it before it does anything. Only names and labels are looked at, anywhere in the mesh: what is
//! reported here is missing for every proxy.

mod lookup;
mod made;
mod selection;

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
    /// Whether a warning of a plan is about this reference.
    pub(super) fn is_meant_by(&self, warning: &Warning) -> bool {
        warning.is_about(&self.policy, &self.made.to_string())
    }

    fn into_objection(self) -> Problem {
        Problem { severity: Severity::Error, ..self.problem }
    }
}

/// Every reference of routes and Dataplanes that leads nowhere, and every route that selects no proxy, in the snapshot made of the ledger.
pub fn dangling(snapshot: &Snapshot, ledger: &Ledger) -> Vec<Dangling> {
    ledger.entries().flat_map(|(by, entry)| Checker { snapshot, by, entry }.check()).collect()
}

/// Objects to references that lead nowhere and were written since `before`: a slip, most likely. Those that lost their
/// target are none of this: somebody removed it on purpose, and the plan says what that means.
pub fn newly_dangling(before: &Compiled, dangling: &[Dangling]) -> Vec<Problem> {
    let was_there = |it: &Dangling| {
        let resource = before.resource(&it.by);
        resource.is_some_and(|resource| references(resource).iter().any(|(_, old)| *old == it.made))
    };
    let new = dangling.iter().filter(|it| it.holds_back).filter(|it| !was_there(it));
    new.cloned().map(Dangling::into_objection).collect()
}
