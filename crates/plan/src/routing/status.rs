//! Outcome of each route policy that selects the proxy.

use std::sync::Arc;

use model::Kind;

use super::owner::Owners;
use crate::plan::{IgnoredBecause, Listener, Outcome, RouteStatus};
use crate::view::View;

/// Returns the statuses of all routes, sorted by policy.
pub(super) fn of_routes(
    view: &View<'_>,
    owners: &Owners<'_, '_>,
    listeners: &[Arc<Listener>],
) -> Vec<Arc<RouteStatus>> {
    let mut statuses = view.route_statuses(listeners);
    let took_over = view.profile().serves_outbounds_without_route() && !owners.traffic_route_stays;
    for policy in owners.legacy.routes().to_vec() {
        let is_about = |listener: &&Arc<Listener>| {
            listener.routes().flat_map(|route| &route.considered).any(|it| it.origin == policy)
        };
        let decides: Vec<String> =
            listeners.iter().filter(is_about).map(|listener| listener.name.clone()).collect();
        let outcome = match (took_over, decides.is_empty()) {
            (_, false) => Outcome::Applied,
            (true, true) => Outcome::Ignored(IgnoredBecause::TcpRouteTookOver),
            (false, true) => Outcome::Ignored(IgnoredBecause::NoSuchOutbound),
        };
        let unresolved = Vec::new();
        let status = RouteStatus { policy, kind: Kind::TrafficRoute, outcome, decides, unresolved };
        statuses.push(view.reader().pools().routes.shared(status));
    }
    statuses.sort_by(|a, b| a.policy.cmp(&b.policy));
    statuses
}
