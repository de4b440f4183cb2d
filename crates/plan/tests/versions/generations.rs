//! Policies of several kinds and generations about one service: MeshTCPRoute beside MeshHTTPRoute and TrafficRoute.

use std::collections::BTreeMap;

use meshtcp_plan::{IgnoredBecause, Outcome, Owner, Plan};
use model::Profile::*;

use super::{CACHE, MESH, NEXT, TRAFFIC_ROUTE, only, only_route, outbounds, split, tags, tcp, until};

fn http(name: &str, backends: &str) -> String {
    tcp(name, MESH, backends)
        .replace("MeshTCPRoute", "MeshHTTPRoute")
        .replace("[{default", "[{matches: [{path: {type: PathPrefix, value: /}}], default")
}

#[test]
fn mesh_http_route_wins_on_http_services_only() {
    for profile in until(V2_14) {
        let policies = [tcp("tcp", MESH, CACHE), http("http", NEXT)];
        for protocol in ["http", "http2", "grpc"] {
            let plan = tags(profile, protocol, &policies);
            let outbound = only_route(outbounds(&plan)[0]);
            assert!(
                matches!(outbound.owner, Owner::HttpRoute(_)),
                "{profile} {protocol}: {:?}",
                outbound.owner
            );
            let ignored = outbound.considered.iter().find(|it| it.origin.name == "tcp").unwrap();
            let because_http_wins =
                matches!(ignored.outcome, Outcome::Ignored(IgnoredBecause::HttpRouteWins { .. }));
            assert!(because_http_wins, "{profile} {protocol}: {ignored:?}");
        }
        let plan = tags(profile, "tcp", &policies);
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TcpRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        assert_eq!(split(&plan, 13000), only("cache"), "{profile}");
    }
}

#[test]
fn mesh_tcp_route_acts_on_http_services_without_http_route() {
    for profile in until(V2_14) {
        let plan = tags(profile, "http", &[tcp("tcp", MESH, CACHE)]);
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TcpRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        assert_eq!(split(&plan, 13000), only("cache"), "{profile}");
    }
}

#[test]
fn mesh_tcp_route_wins_over_traffic_route() {
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", &[tcp("a", MESH, NEXT), TRAFFIC_ROUTE.to_owned()]);
        assert_eq!(split(&plan, 13000), only("next"), "{profile}");
        // Until 2.5 each outbound without a conf falls back; later a single route takes the whole proxy over.
        let other = only_route(outbounds(&plan)[1]);
        let falls_back = matches!(other.owner, Owner::TrafficRoute(_));
        assert_eq!(falls_back, profile <= V2_5, "{profile}: {:?}", other.owner);
        assert_eq!(split(&plan, 13001), only("cache"), "{profile}");
    }
}

#[test]
fn without_mesh_tcp_route_traffic_route_stays() {
    let half = TRAFFIC_ROUTE.replace(
        "{destination: {kuma.io/service: '*'}}",
        "{split: [{weight: 1, destination: {kuma.io/service: next}}, {weight: 1, destination: {kuma.io/service: cache}}]}",
    );
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", std::slice::from_ref(&half));
        assert!(
            matches!(only_route(outbounds(&plan)[0]).owner, Owner::TrafficRoute(_)),
            "{profile}: {:?}",
            only_route(outbounds(&plan)[0]).owner
        );
        let wanted = BTreeMap::from([("next".to_owned(), 0.5), ("cache".to_owned(), 0.5)]);
        assert_eq!(split(&plan, 13000), wanted, "{profile}");
    }
}

#[test]
fn legacy_policies_act_on_traffic_routes_only() {
    let timeout = "---\ntype: Timeout\nmesh: default\nname: t\nsources: [{match: {kuma.io/service: '*'}}]\n\
                   destinations: [{match: {kuma.io/service: '*'}}]\nconf: {connectTimeout: 7s}\n";
    let policies = |route: &str| [route.to_owned(), timeout.to_owned()];
    for profile in until(V2_14) {
        let connect_timeout = |plan: &Plan, cluster: &str| {
            plan.clusters[cluster].connect_timeout.as_ref().map(|timeout| timeout.value.as_secs())
        };
        let by_traffic_route = tags(profile, "tcp", &policies(TRAFFIC_ROUTE));
        assert_eq!(connect_timeout(&by_traffic_route, "ledger"), Some(7), "{profile}");
        let by_mesh_tcp_route = tags(profile, "tcp", &policies(&tcp("a", MESH, NEXT)));
        assert_eq!(connect_timeout(&by_mesh_tcp_route, "next"), None, "{profile}");
    }
}

#[test]
fn new_policies_act_on_both() {
    let timeout = "---\ntype: MeshTimeout\nmesh: default\nname: t\nspec:\n  targetRef: {kind: Mesh}\n  to:\n    - \
                   targetRef: {kind: Mesh}\n      default: {connectionTimeout: 7s, idleTimeout: 9s}\n";
    let idle_timeout = |plan: &Plan| {
        outbounds(plan)[0].settings.idle_timeout.as_ref().map(|timeout| timeout.value.as_secs())
    };
    for profile in until(V2_14) {
        for route in [TRAFFIC_ROUTE.to_owned(), tcp("a", MESH, NEXT)] {
            let plan = tags(profile, "tcp", &[route.clone(), timeout.to_owned()]);
            assert_eq!(idle_timeout(&plan), Some(9), "{profile}: {route}");
            let cluster = only_route(outbounds(&plan)[0]).split[0].cluster().unwrap();
            let connect_timeout = plan.clusters[cluster].connect_timeout.as_ref().unwrap();
            assert_eq!(connect_timeout.value.as_secs(), 7, "{profile}: {route}");
        }
    }
}
