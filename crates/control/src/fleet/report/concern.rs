//! Which listeners a resource of a proxy is part of, whatever dialect it is said in.

use plan::{Backend, Fate, Plan};

/// How Envoy's clusters that hold a whole split are named: `split:<listener>`, with `:<host name>` on gateways.
const SPLIT: &str = "split:";

/// The names of the outbounds and gateway listeners that a resource is part of, in the order of the plan.
///
/// A listener or route is named after its listener; a cluster or its endpoints serve every listener that sends a share
/// there. Nothing for what belongs to inbounds.
pub(super) fn concerned(plan: &Plan, resource: &str) -> Vec<String> {
    let outbounds = plan.outbounds.iter().map(|outbound| (&outbound.name, vec![&outbound.split]));
    let gateways = plan
        .gateway_listeners
        .iter()
        .map(|listener| (&listener.name, listener.hosts.iter().map(|host| &host.split).collect()));
    let all: Vec<(&String, Vec<&Vec<Backend>>)> = outbounds.chain(gateways).collect();
    let is_named = |listener: &str| {
        let rest = resource.strip_prefix(SPLIT).unwrap_or(resource).strip_prefix(listener);
        // `#<host name>` in routes of our own proxy
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('#') || (rest.starts_with(':') && resource.starts_with(SPLIT))
        })
    };
    let sends = |backend: &Backend| matches!(&backend.fate, Fate::Routed { cluster } if cluster == resource);
    all.into_iter()
        .filter(|(name, splits)| is_named(name) || splits.iter().any(|split| split.iter().any(sends)))
        .map(|(name, _)| name.clone())
        .collect()
}
