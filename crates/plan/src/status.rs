//! What became of each route policy: the truth that `explain`, the plan and the REST API tell.

mod heard;
mod reach;

use model::{Kind, Resource};

use crate::matching::Shadows;
use crate::plan::{GatewayListener, IgnoredBecause, Outbound, Outcome, PolicyOrigin, RouteStatus};
use crate::view::View;
use heard::{Heard, Hearing};

impl View<'_> {
    /// What became of each MeshTCPRoute and MeshHTTPRoute that selects the proxy, given what was made of its outbounds
    /// and gateway listeners. Sorted by policy.
    pub fn route_statuses(&self, outbounds: &[Outbound], listeners: &[GatewayListener]) -> Vec<RouteStatus> {
        let hearing = Hearing::of(outbounds, listeners);
        let mut statuses = Vec::new();
        for kind in [Kind::MeshTCPRoute, Kind::MeshHTTPRoute] {
            let broken = self.what_breaks(kind);
            for policy in self.match_policies(self.candidates(kind), Shadows::Included).policies {
                let Heard { outcomes, decides, unresolved } = hearing.about(policy);
                let outcome = match (outcomes.into_iter().next(), &broken) {
                    _ if self.is_shadow(policy) => Outcome::Ignored(IgnoredBecause::Shadow),
                    // `Applied` is the least of all outcomes, `Shadowed` comes next: the best is told.
                    (Some(outcome), _) => outcome,
                    (None, Some(why)) => Outcome::Ignored(IgnoredBecause::RulesBroken { why: why.clone() }),
                    (None, None) => Outcome::Ignored(self.why_unheard(policy)),
                };
                statuses.push(RouteStatus { policy: origin_of(policy), kind, outcome, decides, unresolved });
            }
        }
        statuses.sort_by(|a, b| (&a.policy.policy, &a.policy.name).cmp(&(&b.policy.policy, &b.policy.name)));
        statuses
    }

    fn is_shadow(&self, policy: &Resource) -> bool {
        self.profile().knows_shadow_policies() && policy.meta.is_shadow()
    }

    /// Which policy of a kind leaves the proxy without rules of that kind, in words (spec 03 §2.5).
    fn what_breaks(&self, kind: Kind) -> Option<String> {
        let matched = self.matched(kind).policies;
        matched.into_iter().filter(|_| self.profile().has_tag_rules()).find_map(|policy| {
            let why = self.snapshot().tag_entries(&[policy]).err()?;
            Some(format!("{}: {why}", policy.describe()))
        })
    }
}

fn origin_of(policy: &Resource) -> PolicyOrigin {
    let meta = &policy.meta;
    PolicyOrigin {
        policy: policy.id(),
        name: meta.name.as_str().to_owned(),
        item: None,
        source: meta.source.clone(),
    }
}
