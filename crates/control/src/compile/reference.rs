//! References that lead nowhere: a name that nobody has.
//!
//! Planning copes with them (the share of such a backend is refused or goes to the others); an operator who just wrote
//! one wants to hear it before it does anything. Only names and labels are looked at, anywhere in the mesh: what is
//! reported here is missing for every proxy.

mod lookup;
mod made;

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Problem, Severity};
use plan::Snapshot;

use lookup::Checker;
use made::references;

use super::Compiled;
use crate::store::folder::{Candidate, Objection};

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dangling {
    /// The file that it is in.
    pub file: Arc<str>,
    /// The resource that it is in, as `Kind mesh/name`.
    pub resource: String,
    /// The reference in words.
    pub reference: String,
    /// The problem, as a warning.
    pub problem: Problem,
}

impl Dangling {
    /// Whether a remark of a plan is about this reference: it names it, and the policy that made it.
    pub(super) fn is_meant_by(&self, remark: &str) -> bool {
        let name = self.resource.rsplit('/').next().unwrap_or_default();
        let reference = self.reference.strip_prefix("backendRef ").unwrap_or(&self.reference);
        remark.contains(reference) && remark.contains(&format!("`{name}`"))
    }

    fn into_objection(self) -> Objection {
        let mut problem = self.problem;
        problem.severity = Severity::Error;
        Objection { file: Some(self.file), problem }
    }
}

/// Every reference of a candidate's routes and dataplanes that leads nowhere in the snapshot made of it.
pub fn dangling(snapshot: &Snapshot, candidate: &Candidate) -> Vec<Dangling> {
    candidate.offers.iter().flat_map(|offer| Checker { snapshot, offer }.check()).collect()
}

/// Objects to references that lead nowhere and were written since `before`: a slip, most likely. Those that lost their
/// target are none of this: somebody removed it on purpose, and the plan says what that means.
pub fn newly_dangling(before: &Compiled, dangling: &[Dangling], candidate: &Candidate) -> Vec<Objection> {
    let written_before: BTreeSet<(String, String)> = before
        .snapshot
        .resources()
        .iter()
        .flat_map(|resource| {
            references(resource).into_iter().map(|(_, it)| (resource.describe(), it.to_string()))
        })
        .collect();
    dangling
        .iter()
        .filter(|it| candidate.changed.contains(&it.file))
        .filter(|it| !written_before.contains(&(it.resource.clone(), it.reference.clone())))
        .cloned()
        .map(Dangling::into_objection)
        .collect()
}
