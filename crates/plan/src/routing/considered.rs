//! Route policies considered for an outbound, with the outcome of each, most important first.

use model::topology::Protocol;

use super::owner::{Decision, OutboundRules, Owners};
use crate::plan::{Considered, IgnoredBecause, Outcome, Owner, PolicyOrigin};
use crate::rules::Merged;

/// Returns the route policies about an outbound.
pub(super) fn of_outbound(
    owners: &Owners<'_, '_>,
    OutboundRules { tcp, http }: OutboundRules<'_>,
    decision: &Decision,
    protocol: Protocol,
) -> Vec<Considered> {
    let winner = tcp.and_then(|tcp| {
        let rules = &owners.rules.tcp_route;
        rules.backend_ref_origin(tcp, "").or(tcp.last_origin())
    });
    match &decision.owner {
        Owner::HttpRoute(_) => {
            let route = http.and_then(Merged::last_origin);
            let why = route.map(|route| IgnoredBecause::HttpRouteWins { route: route.clone() });
            let tcp = why.map_or_else(Vec::new, |why| each(tcp, |_, _| Outcome::Ignored(why.clone())));
            [each(http, decides_a_rule), tcp].concat()
        }
        Owner::TcpRoute(_) => {
            let not_http = Outcome::Ignored(IgnoredBecause::DestinationNotHttp);
            let http = match winner.filter(|_| protocol.is_http_like()) {
                Some(route) => {
                    each(http, |_, _| Outcome::Ignored(IgnoredBecause::TcpRouteWins { route: route.clone() }))
                }
                None => each(http, |_, _| not_http.clone()),
            };
            [each(tcp, |_, origin| applied_or_shadowed(origin, winner)), http].concat()
        }
        Owner::TrafficRoute(_)
        | Owner::ImpliedTrafficRoute
        | Owner::NoTrafficRoute
        | Owner::Default
        | Owner::HttpDefault
        | Owner::Nobody => {
            let stays = Outcome::Ignored(IgnoredBecause::TrafficRouteStays);
            let not_http = Outcome::Ignored(IgnoredBecause::DestinationNotHttp);
            let first = match &decision.owner {
                Owner::TrafficRoute(origin) => {
                    vec![Considered { origin: origin.clone(), outcome: Outcome::Applied }]
                }
                _ => Vec::new(),
            };
            [first, each(tcp, |_, _| stays.clone()), each(http, |_, _| not_http.clone())].concat()
        }
    }
}

/// Returns the MeshTCPRoutes about connections that a match of one of them takes.
pub(super) fn by_match(tcp: &Merged, winner: &PolicyOrigin) -> Vec<Considered> {
    each(Some(tcp), |_, origin| applied_or_shadowed(origin, Some(winner)))
}

/// Returns the merged policies, most important first, each with its outcome.
fn each(merged: Option<&Merged>, outcome: impl Fn(&Merged, &PolicyOrigin) -> Outcome) -> Vec<Considered> {
    let origins = merged.into_iter().flat_map(|m| m.origins.iter().rev().map(move |origin| (m, origin)));
    origins.map(|(m, origin)| Considered { origin: origin.clone(), outcome: outcome(m, origin) }).collect()
}

/// Returns the outcome of a MeshTCPRoute: the list of one policy is one unit (spec 03 §4.3).
fn applied_or_shadowed(origin: &PolicyOrigin, winner: Option<&PolicyOrigin>) -> Outcome {
    match winner {
        Some(winner) if winner != origin => Outcome::Shadowed { by: winner.clone() },
        Some(_) | None => Outcome::Applied,
    }
}

/// Returns the outcome of a MeshHTTPRoute: each rule decides, unless a more important policy has one with the same
/// matches.
fn decides_a_rule(merged: &Merged, origin: &PolicyOrigin) -> Outcome {
    let contributors = &merged.backend_ref_origins;
    if contributors.is_empty() || contributors.values().any(|contributor| contributor == origin) {
        Outcome::Applied
    } else {
        applied_or_shadowed(origin, merged.last_origin())
    }
}
