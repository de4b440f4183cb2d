//! Policy or default that decides about an outbound, and the step of the order that made it so.

use model::Spec;

use crate::plan::{Considered, Destination, Listener, Outcome, Owner, PolicyOrigin, Route};
use crate::precedence::{ItemPrecedence, Precedence, PrecedenceStep};
use crate::view::View;

/// Returns the policy or default that decides, in words.
pub(super) fn decided_by(owner: &Owner) -> String {
    match owner {
        Owner::TcpRoute(policies) | Owner::HttpRoute(policies) => {
            policies.last().map_or_else(|| "no policy".to_owned(), PolicyOrigin::to_string)
        }
        Owner::TrafficRoute(policy) => policy.to_string(),
        Owner::Nobody => "no policy".to_owned(),
        Owner::ImpliedTrafficRoute => "the TrafficRoute that every mesh has by default".to_owned(),
        Owner::NoTrafficRoute => "TrafficRoute, and none is for it".to_owned(),
        Owner::Default | Owner::HttpDefault => "no policy: connections go to what was dialled".to_owned(),
    }
}

/// Returns the reason why the winner precedes the next most important policy that would apply otherwise; empty if
/// there is none.
pub(super) fn because(view: &View<'_>, listener: &Listener, route: &Route) -> String {
    let winner = route.considered.iter().find(|considered| considered.outcome == Outcome::Applied);
    let shadowed = |considered: &&Considered| matches!(considered.outcome, Outcome::Shadowed { .. });
    let (Some(winner), Some(loser)) = (winner, route.considered.iter().find(shadowed)) else {
        return String::new();
    };
    let (winner, loser) = (&winner.origin, &loser.origin);
    let reason = match decisive_step(view, listener, winner, loser) {
        Some(PrecedenceStep::Name) if view.profile().smaller_name_wins() => {
            "of equals, the smaller name wins".to_owned()
        }
        Some(PrecedenceStep::Name) => "of equals, the larger name wins".to_owned(),
        Some(step) => step.to_string(),
        None if winner.policy.same_resource(&loser.policy) => "of one policy, the later item wins".to_owned(),
        None => "they are equals, and the store has it later".to_owned(),
    };
    format!("it wins over {loser} because {reason}")
}

fn decisive_step(
    view: &View<'_>,
    listener: &Listener,
    winner: &PolicyOrigin,
    loser: &PolicyOrigin,
) -> Option<PrecedenceStep> {
    let profile = view.profile();
    let (a, b) = (view.by_id(&winner.policy)?, view.by_id(&loser.policy)?);
    let (Spec::Policy(first), Spec::Policy(second)) = (a.spec(), b.spec()) else { return None };
    let is_real = matches!(listener.destination(), Some(Destination::Resource { .. }));
    if !is_real {
        return Precedence::of(a, first, profile).decided_by(&Precedence::of(b, second, profile));
    }
    let to = (first.to.get(winner.item?)?, second.to.get(loser.item?)?);
    let winner = ItemPrecedence::of(a, first, &to.0.target, profile);
    winner.decided_by(&ItemPrecedence::of(b, second, &to.1.target, profile))
}
