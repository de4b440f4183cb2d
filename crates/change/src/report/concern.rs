//! Which listeners a resource of a proxy is part of, whatever dialect it is said in.

use plan::{Direction, Listener, Plan};

/// How Envoy's clusters that hold a whole split are named: `split:<listener>`, with `:<host name>` on gateways.
const SPLIT: &str = "split:";

/// The names of the listeners, but inbounds, that a resource is part of, in the order of the plan.
///
/// A listener or route is named after its listener; a cluster or its endpoints serve every listener that sends a share
/// there. Nothing for what belongs to inbounds.
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
