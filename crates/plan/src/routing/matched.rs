//! Rules of MeshTCPRoutes with matches: they apply to some connections only.
//!
//! The common facts of all connections of a listener are known here: the port that is dialled, and the client. Only
//! the server name and the source address are left for the data plane.

use std::cmp::Reverse;

use model::BackendRef;
use model::policy::{MatchedRule, TcpRouteConf};

use crate::plan::{Match, Owner, PolicyOrigin, Route, RulePlace, Warning};
use crate::rules::{Merged, Rules};

/// Common facts of the connections of a listener.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// Name of the listener.
    pub(super) listener: &'a str,
    /// Port that is dialled.
    pub(super) port: u16,
    /// URI names of the client; none: it has no identity.
    pub(super) identities: &'a [String],
}

/// Match of a rule that connections of a listener can fit.
pub(super) struct Matched<'r> {
    pub(super) claimed: &'r Match,
    pub(super) place: RulePlace,
    pub(super) backend_refs: &'r [BackendRef],
    /// Policy that has the match.
    pub(super) origin: &'r PolicyOrigin,
    /// Owner: this policy as the last, after those that it takes precedence over.
    pub(super) owner: Owner,
}

/// Returns the matches that connections can fit, in the order of their rules.
pub(super) fn of_rules<'r>(
    rules: &'r Rules,
    merged: &'r Merged,
    common: Common<'_>,
    warnings: &mut Vec<Warning>,
) -> Vec<Matched<'r>> {
    let Some(said) = merged.said::<TcpRouteConf>().filter(|said| !said.matched().is_empty()) else {
        return Vec::new();
    };
    let Some(origin) = rules.backend_ref_origin(merged, crate::merge::MATCHED) else { return Vec::new() };
    let Common { listener, port, identities } = common;
    let mut matched = Vec::new();
    for MatchedRule { rule, matches, backend_refs } in said.matched() {
        for (at, claimed) in matches.iter().enumerate() {
            let Match { server_name: _, destination_port, source: _, identity } = claimed;
            if identity.is_some() && identities.is_empty() {
                warnings.push(
                    format!("{listener}: nobody proves a SPIFFE ID there, which {origin} asks for: that match takes nothing")
                        .into(),
                );
            }
            let is_port = destination_port.is_none_or(|wanted| wanted.get() == port);
            let is_who =
                identity.as_ref().is_none_or(|wanted| identities.iter().any(|uri| wanted.matches(uri)));
            if is_port && is_who {
                let place = RulePlace { rule: *rule, matched: Some(at) };
                let owner = owner(merged, origin);
                matched.push(Matched { claimed, place, backend_refs, origin, owner });
            }
        }
    }
    matched
}

/// Returns the owner if a policy decides that others were merged with.
pub(super) fn owner(merged: &Merged, origin: &PolicyOrigin) -> Owner {
    let others = merged.origins.iter().filter(|other| *other != origin);
    Owner::TcpRoute(others.chain([origin]).cloned().collect())
}

/// Returns `true` if a conf has a rule for connections that no match takes; otherwise others decide about them.
pub(super) fn is_for_all(merged: &Merged) -> bool {
    merged.said::<TcpRouteConf>().is_none_or(|said| said.matched().is_empty() || said.backend_refs.is_some())
}

/// Sorts the routes by match, the greatest first; equal ones keep their order. Leaves out routes that an earlier
/// match shadows.
pub(super) fn in_order(mut routes: Vec<(Match, Route)>) -> Vec<(Match, Route)> {
    routes.sort_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
    let mut kept: Vec<(Match, Route)> = Vec::new();
    for (claimed, route) in routes {
        if !kept.iter().any(|(before, _)| before.covers(&claimed)) {
            kept.push((claimed, route));
        }
    }
    kept
}
