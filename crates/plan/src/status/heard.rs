//! Places in a plan where each route policy applies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Resource, ResourceId};

use crate::plan::{Backend, BackendFate, Listener, Outcome, PolicyOrigin, Unusable};

/// Statements of listeners about one policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// All outcomes of the policy on listeners.
    pub(super) outcomes: BTreeSet<Outcome>,
    /// Listeners that it decides, by name.
    pub(super) decides: Vec<String>,
    /// backendRefs of the policy that cannot be used, each once.
    pub(super) unresolved: Vec<(String, Unusable)>,
}

/// Statements of a plan about policies, each by its stored name, and its identifier.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing(BTreeMap<String, Vec<(ResourceId, Heard)>>);

impl Hearing {
    /// Collects them from a plan in one pass.
    pub(super) fn of(listeners: &[Arc<Listener>]) -> Self {
        let mut hearing = Self::default();
        for listener in listeners {
            for route in listener.routes() {
                for considered in &route.considered {
                    hearing.note(&considered.origin, considered.outcome.clone(), &listener.name);
                }
                route.split.iter().for_each(|backend| hearing.note_backend(backend));
            }
        }
        hearing
    }

    /// Returns the statements about a policy; `None`: there are none.
    pub(super) fn about(&self, policy: &Resource) -> Option<&Heard> {
        let named = self.0.get(policy.meta().name.as_str())?;
        let id = policy.id();
        named.iter().find(|(found, _)| *found == id).map(|(_, heard)| heard)
    }

    fn entry(&mut self, origin: &PolicyOrigin) -> &mut Heard {
        let named = self.0.entry(origin.name.clone()).or_default();
        let at = named.iter().position(|(id, _)| *id == origin.policy).unwrap_or_else(|| {
            named.push((origin.policy.clone(), Heard::default()));
            named.len() - 1
        });
        &mut named[at].1
    }

    fn note(&mut self, origin: &PolicyOrigin, outcome: Outcome, place: &str) {
        let heard = self.entry(origin);
        let is_new = heard.decides.last().is_none_or(|last| last != place);
        if outcome == Outcome::Applied && is_new {
            heard.decides.push(place.to_owned());
        }
        heard.outcomes.insert(outcome);
    }

    fn note_backend(&mut self, backend: &Backend) {
        let Backend { reference, weight: _, fate, origin, weighed_by: _, when_unavailable: _ } = backend;
        let (Some(origin), BackendFate::Spilled(why) | BackendFate::Refused(why)) = (origin, fate) else {
            return;
        };
        // A weight of zero was written by the operator: it is not a fault.
        if *why == Unusable::ZeroWeight {
            return;
        }
        let unresolved = &mut self.entry(origin).unresolved;
        let entry = (reference.clone(), why.clone());
        if !unresolved.contains(&entry) {
            unresolved.push(entry);
        }
    }
}
