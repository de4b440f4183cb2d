//! Dangling references: names that no resource has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to know before it has an effect. Only names and labels are compared, anywhere in the mesh: a reference
//! that is reported here dangles for every proxy.

mod lookup;
mod made;
mod selection;

use model::{Problem, ResourceId, ResourceKey, Severity};
use plan::{Snapshot, Warning};

use lookup::Checker;
use made::{Reference, references};

use super::Compiled;
use crate::Ledger;

/// Dangling reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Dangling {
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

impl Dangling {
    /// Returns `true` if a warning of a plan is about this reference.
    pub(super) fn is_meant_by(&self, warning: &Warning) -> bool {
        warning.is_about(&self.policy, &self.made.to_string())
    }

    fn into_objection(self) -> Problem {
        Problem { severity: Severity::Error, ..self.problem }
    }
}

/// Dangling references of routes and Dataplanes, and routes that select no proxy, in the snapshot made of the ledger.
pub fn dangling(snapshot: &Snapshot, ledger: &Ledger) -> Vec<Dangling> {
    ledger.entries().flat_map(|(by, entry)| Checker { snapshot, by, entry }.check()).collect()
}

/// Errors for dangling references that were written since `before`, most likely typing errors. References that lost
/// their target are left out: it was removed on purpose, and the plan reports the consequences.
pub fn newly_dangling(before: &Compiled, dangling: &[Dangling]) -> Vec<Problem> {
    let was_there = |it: &Dangling| {
        let resource = before.resource(&it.by);
        resource.is_some_and(|resource| references(resource).iter().any(|(_, old)| *old == it.made))
    };
    let new = dangling.iter().filter(|it| it.holds_back).filter(|it| !was_there(it));
    new.cloned().map(Dangling::into_objection).collect()
}
