//! Outcome of each route policy, as `explain`, the plan and the REST API report it.

mod heard;
mod reach;

use std::sync::Arc;

use heard::{Heard, Hearing};
use model::{Kind, Resource};

use crate::matching::Shadows;
use crate::plan::{IgnoredBecause, Listener, Outcome, PolicyOrigin, RouteStatus};
use crate::view::View;

impl View<'_> {
    /// Returns the outcome of each MeshTCPRoute and MeshHTTPRoute that selects the proxy, given its listeners.
    /// Sorted by policy.
    pub(crate) fn route_statuses(&self, listeners: &[Arc<Listener>]) -> Vec<Arc<RouteStatus>> {
        let hearing = Hearing::of(listeners);
        let mut statuses = Vec::new();
        for kind in [Kind::MeshTCPRoute, Kind::MeshHTTPRoute] {
            let broken = self.what_breaks(kind);
            for policy in self.gather(self.candidates(kind), Shadows::Included).policies {
                let heard = hearing.about(policy);
                if heard.is_none() && broken.is_none() {
                    statuses.push(self.unheard(kind, policy));
                    continue;
                }
                let Heard { outcomes, decides, unresolved } = heard.cloned().unwrap_or_default();
                let outcome = match (outcomes.into_iter().next(), &broken) {
                    _ if self.is_shadow(policy) => Outcome::Ignored(IgnoredBecause::Shadow),
                    // `Applied` is the least of all outcomes, `Shadowed` comes next: the best one is reported.
                    (Some(outcome), _) => outcome,
                    (None, Some(why)) => Outcome::Ignored(IgnoredBecause::RulesBroken { why: why.clone() }),
                    (None, None) => Outcome::Ignored(self.why_unheard(policy)),
                };
                let policy = PolicyOrigin::of(policy);
                let status = RouteStatus { policy, kind, outcome, decides, unresolved };
                statuses.push(self.reader().pools().routes.shared(status));
            }
        }
        statuses.sort_by(|a, b| (&a.policy.policy, &a.policy.name).cmp(&(&b.policy.policy, &b.policy.name)));
        statuses
    }

    /// Returns the status of a policy that applies nowhere: it is the same for every proxy that it selects.
    fn unheard(&self, kind: Kind, policy: &Resource) -> Arc<RouteStatus> {
        let work = || {
            self.reader().apart(|| {
                let because =
                    if self.is_shadow(policy) { IgnoredBecause::Shadow } else { self.why_unheard(policy) };
                self.reader().pools().routes.shared(RouteStatus {
                    policy: PolicyOrigin::of(policy),
                    kind,
                    outcome: Outcome::Ignored(because),
                    decides: Vec::new(),
                    unresolved: Vec::new(),
                })
            })
        };
        let (status, read) = self.reader().memo().unheard.get_or(std::ptr::from_ref(policy).addr(), work);
        self.reader().reads_as(&read);
        status
    }

    fn is_shadow(&self, policy: &Resource) -> bool {
        self.profile().knows_shadow_policies() && policy.meta().is_shadow()
    }

    /// Returns the policy of a kind that leaves the proxy without rules of that kind, in words (spec 03 §2.5).
    fn what_breaks(&self, kind: Kind) -> Option<String> {
        // Rules that were made without a warning are not broken.
        if self.rules(kind).warnings.is_empty() {
            return None;
        }
        let matched = self.matched(kind).policies;
        matched.into_iter().filter(|_| self.profile().has_tag_rules()).find_map(|policy| {
            let why = self.destinations().tag_entries(&[policy]).err()?;
            Some(format!("{}: {why}", policy.describe()))
        })
    }
}
