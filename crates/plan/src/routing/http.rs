//! MeshHTTPRoute on TCP: one rule that catches every request can be applied to whole connections (spec 01 §9).

use model::BackendRef;
use model::policy::{HttpRouteConf, HttpRuleConf, PolicyConf};

use crate::plan::PolicyOrigin;
use crate::rules::{Merged, Rules};

/// Decision of the HTTP routes of a destination about whole connections.
pub(super) enum WholeConnections {
    /// Connections go to these backends; without any, to the dialled destination.
    To(Vec<BackendRef>, PolicyOrigin),
    /// The decision depends on the request, which TCP does not see; the reason in words.
    DependOnRequests(String),
}

/// Converts merged HTTP routes to a decision about connections.
pub(super) fn whole_connections(rules: &Rules, merged: &Merged) -> WholeConnections {
    let by_request = |why: &str| WholeConnections::DependOnRequests(why.to_owned());
    let [conf] = merged.confs.as_slice() else { return by_request("it has rules for several host names") };
    let Some(HttpRouteConf { hostnames, rules: list }) = HttpRouteConf::of(conf) else {
        return by_request("it has no rules");
    };
    if !hostnames.is_empty() {
        return by_request("it has rules for a host name only");
    }
    let [rule] = list.as_slice() else { return by_request("it has not exactly one rule") };
    if !rule.matches.catch_everything() {
        return by_request("its rule matches some requests only");
    }
    let HttpRuleConf { backend_refs, filters } = &rule.said;
    if *filters == Some(true) {
        return by_request("its rule has filters");
    }
    let hash = merged.backend_ref_origins.keys().next().map(String::as_str).unwrap_or_default();
    match rules.backend_ref_origin(merged, hash).or(merged.last_origin()) {
        Some(origin) => WholeConnections::To(backend_refs.clone().unwrap_or_default(), origin.clone()),
        None => by_request("nobody knows which policy says it"),
    }
}
