//! Rules of MeshTCPRoutes that are for some connections only.
//!
//! What all connections of a listener have in common is known here: the port that is dialled, and who dials. Only the server
//! name and where a connection comes from are left for whoever carries it.

use std::cmp::Reverse;

use model::BackendRef;
use model::policy::{MatchedRule, TcpRouteConf};

use crate::plan::{Match, Owner, PolicyOrigin, Route, RulePlace, Warning};
use crate::rules::{Merged, Rules};

/// What the connections of a listener have in common.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    /// The listener.
    pub(super) listener: &'a str,
    /// The port that is dialled.
    pub(super) port: u16,
    /// The URI names of who dials; none: nobody proves any.
    pub(super) identities: &'a [String],
}

/// A match of a rule that connections of a listener can fit.
pub(super) struct Matched<'r> {
    pub(super) claimed: &'r Match,
    pub(super) place: RulePlace,
    pub(super) backend_refs: &'r [BackendRef],
    /// The policy that says so.
    pub(super) origin: &'r PolicyOrigin,
    /// The same after those over which it counts.
    pub(super) owner: Owner,
}

/// The matches that connections can fit, in the order of their rules.
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

/// Who decides, when a policy does that others were merged with.
pub(super) fn owner(merged: &Merged, origin: &PolicyOrigin) -> Owner {
    let others = merged.origins.iter().filter(|other| *other != origin);
    Owner::TcpRoute(others.chain([origin]).cloned().collect())
}

/// Whether a conf says where connections go that no match takes; absent: that is for others to say.
pub(super) fn is_for_all(merged: &Merged) -> bool {
    merged.said::<TcpRouteConf>().is_none_or(|said| said.matched().is_empty() || said.backend_refs.is_some())
}

/// The routes by what they match, the greatest first; of equals the first stays in front. What another one takes before is left
/// out.
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
