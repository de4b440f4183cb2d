//! What became of each route policy that speaks about the proxy: the truth in one line each.

use std::sync::Arc;

use model::Kind;

use super::owner::Owners;
use crate::plan::{GatewayListener, IgnoredBecause, Outbound, Outcome, RouteStatus};
use crate::view::View;

/// The statuses of all routes, sorted by policy.
pub(super) fn of_routes(
    view: &View<'_>,
    owners: &Owners<'_, '_>,
    outbounds: &[Arc<Outbound>],
    gateways: &[GatewayListener],
) -> Vec<Arc<RouteStatus>> {
    let mut statuses = view.route_statuses(outbounds, gateways);
    let took_over = view.profile().serves_outbounds_without_route() && !owners.traffic_route_stays;
    for policy in owners.legacy.routes().to_vec() {
        let decides: Vec<String> = outbounds
            .iter()
            .filter(|outbound| outbound.considered.iter().any(|considered| considered.origin == policy))
            .map(|outbound| outbound.name.clone())
            .collect();
        let outcome = match (took_over, decides.is_empty()) {
            (_, false) => Outcome::Applied,
            (true, true) => Outcome::Ignored(IgnoredBecause::TcpRouteTookOver),
            (false, true) => Outcome::Ignored(IgnoredBecause::NoSuchOutbound),
        };
        let unresolved = Vec::new();
        let status = RouteStatus { policy, kind: Kind::TrafficRoute, outcome, decides, unresolved };
        statuses.push(view.snapshot().pools.routes.shared(status));
    }
    statuses.sort_by(|a, b| a.policy.cmp(&b.policy));
    statuses
}
