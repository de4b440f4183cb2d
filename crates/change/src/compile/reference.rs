//! References that lead nowhere: a name that nobody has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to hear it before it does anything. Only names and labels are looked at, anywhere in the mesh: what is
//! reported here is missing for every proxy.

mod lookup;
mod made;
mod selection;

use std::collections::BTreeSet;

use model::{Problem, Resource, ResourceKey, Severity};
use plan::Snapshot;

use lookup::Checker;
use made::references;

use super::Compiled;
use crate::Ledger;

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dangling {
    /// The resource that makes it.
    pub by: ResourceKey,
    /// The reference in words.
    pub reference: String,
    /// Whether it is worth holding a change back for: a name of a service that nobody has. That nobody is selected is told
    /// only, since proxies come and go.
    pub holds_back: bool,
    /// The problem, as a warning.
    pub problem: Problem,
}

impl Dangling {
    /// Whether a remark of a plan is about this reference: it names it, and the policy that made it.
    pub(super) fn is_meant_by(&self, remark: &str) -> bool {
        let name = &self.by.name;
        let reference = self.reference.strip_prefix("backendRef ").unwrap_or(&self.reference);
        remark.contains(reference) && remark.contains(&format!("`{name}`"))
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
    let made = |resource: &Resource| {
        let by = resource.key();
        references(resource).into_iter().map(move |(_, it)| (by.clone(), it.to_string()))
    };
    let written_before: BTreeSet<(ResourceKey, String)> =
        before.snapshot.resources().iter().flat_map(|resource| made(resource)).collect();
    let is_new = |it: &&Dangling| !written_before.contains(&(it.by.clone(), it.reference.clone()));
    dangling.iter().filter(|it| it.holds_back).filter(is_new).cloned().map(Dangling::into_objection).collect()
}
