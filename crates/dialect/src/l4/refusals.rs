//! What our proxy refuses although the plan does not, for whoever shows a plan as this proxy carries it.

use std::collections::BTreeMap;

use super::L4Resources;

/// What our proxy refuses of a plan for want of a skill, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The routes of listeners on which every connection is refused, by name: the listener's, for server names
    /// `<listener>#<hostname>`.
    pub routes: BTreeMap<String, String>,
    /// The clusters that are not dialled, by name.
    pub clusters: BTreeMap<String, String>,
}

impl L4Resources {
    /// Notes that a route refuses every connection.
    pub(super) fn refused(&mut self, route: &str, why: &str) {
        self.refusals.routes.insert(route.to_owned(), why.to_owned());
    }

    /// Notes that a cluster is not dialled, and says so.
    pub(super) fn not_dialled(&mut self, cluster: &str, why: &str) {
        self.notes.push(format!("{cluster} is not dialled: {why}"));
        self.refusals.clusters.insert(cluster.to_owned(), why.to_owned());
    }
}
