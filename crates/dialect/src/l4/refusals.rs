//! What our proxy refuses although the plan does not, for whoever shows a plan as this proxy carries it.

use std::collections::BTreeMap;

use plan::{Backend, Fate, Match};

use super::{L4Resources, destination};

/// What our proxy refuses of a plan for want of a skill, each with the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The routes of listeners on which every connection is refused, by name: the listener's, for some connections
    /// `<listener>#<match>`.
    pub routes: BTreeMap<String, String>,
    /// The clusters that are not dialled, by name.
    pub clusters: BTreeMap<String, String>,
}

impl Refusals {
    /// Why a route of a listener refuses every connection; `None`: it does not, as far as this proxy is concerned.
    pub fn of_route(&self, listener: &str, claimed: &Match) -> Option<&str> {
        self.routes.get(&route_name(listener, claimed)).map(String::as_str)
    }

    /// Why what the share of a backend goes to is not dialled; `None`: it is, or the share goes nowhere.
    pub fn of_backend(&self, backend: &Backend) -> Option<&str> {
        match &backend.fate {
            Fate::Routed { cluster, subset } => {
                self.clusters.get(&destination(cluster, subset)).map(String::as_str)
            }
            Fate::Spilled(_) | Fate::Refused(_) => None,
        }
    }
}

/// What the route for some connections of a listener is called.
pub(super) fn route_name(listener: &str, claimed: &Match) -> String {
    let shown = claimed.shown();
    if shown.is_everything() { listener.to_owned() } else { format!("{listener}#{shown}") }
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
