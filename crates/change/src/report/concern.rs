//! Listeners that a resource of a proxy belongs to, in either dialect.

use plan::{Direction, Listener, Plan};

/// Prefix of the names of Envoy clusters that hold a whole split: `split:<listener>`, with `:<host name>` on gateways.
const SPLIT: &str = "split:";

/// Names of the listeners, except inbounds, that a resource belongs to, in the order of the plan.
///
/// A listener or route is named after its listener; a cluster or its endpoints serve every listener that sends a share
/// there. Empty for resources of inbounds.
pub(super) fn concerned(plan: &Plan, resource: &str) -> Vec<String> {
    let is_named = |listener: &str| {
        let rest = resource.strip_prefix(SPLIT).unwrap_or(resource).strip_prefix(listener);
        // `#<host name>` in routes of our own proxy
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('#') || (rest.starts_with(':') && resource.starts_with(SPLIT))
        })
    };
    let sends = |listener: &Listener| {
        listener.routes().flat_map(|route| &route.split).any(|backend| backend.cluster() == Some(resource))
    };
    let split = plan.listeners.iter().filter(|listener| listener.direction != Direction::Inbound);
    split
        .filter(|listener| is_named(&listener.name) || sends(listener))
        .map(|listener| listener.name.clone())
        .collect()
}
