//! Refusals of our proxy that the plan does not have, for displays of a plan as this proxy carries it.

use std::collections::BTreeMap;

use plan::{Backend, BackendFate, Match};

use super::{L4Resources, destination};

/// Parts of a plan that our proxy refuses because it does not support them, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Routes on which every connection is refused, by name: the listener's, with matches `<listener>#<match>`.
    pub routes: BTreeMap<String, String>,
    /// Clusters that are not dialled, by name.
    pub clusters: BTreeMap<String, String>,
}

impl Refusals {
    /// Returns the reason why a route of a listener refuses every connection; `None`: it does not, as far as this
    /// proxy is concerned.
    pub fn of_route(&self, listener: &str, claimed: &Match) -> Option<&str> {
        self.routes.get(&route_name(listener, claimed)).map(String::as_str)
    }

    /// Returns the reason why the cluster of a backend is not dialled; `None`: it is, or the backend has none.
    pub fn of_backend(&self, backend: &Backend) -> Option<&str> {
        match &backend.fate {
            BackendFate::Routed { cluster, subset } => {
                self.clusters.get(&destination(cluster, subset)).map(String::as_str)
            }
            BackendFate::Spilled(_) | BackendFate::Refused(_) => None,
        }
    }
}

/// Returns the name of the route for matched connections of a listener.
pub(super) fn route_name(listener: &str, claimed: &Match) -> String {
    let shown = claimed.shown();
    if shown.is_everything() { listener.to_owned() } else { format!("{listener}#{shown}") }
}

impl L4Resources {
    /// Records that a route refuses every connection.
    pub(super) fn refused(&mut self, route: &str, why: &str) {
        self.refusals.routes.insert(route.to_owned(), why.to_owned());
    }

    /// Records that a cluster is not dialled, with a note.
    pub(super) fn not_dialled(&mut self, cluster: &str, why: &str) {
        self.notes.push(format!("{cluster} is not dialled: {why}"));
        self.refusals.clusters.insert(cluster.to_owned(), why.to_owned());
    }
}
