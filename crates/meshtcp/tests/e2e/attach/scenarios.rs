//! Table of scenarios, run with every kind of proxy.

use super::envoy::Protocol::{Delta, StateOfTheWorld};
use super::village::{external, gateway_route, route, service, version};
use super::{Attached, Kind, Layout, attached};
use crate::connection::{assert_split, reaches, tally};

/// Number of connections that are counted per scenario.
const CONNECTIONS: usize = 600;

/// Resources of a scenario, and the backends that connections reach with them.
struct Scenario {
    name: &'static str,
    /// Text of `route.yaml`; `None`: no such file.
    route: Option<String>,
    /// Backends reached, each with its share; `-`: the connection is closed.
    reached: &'static [(&'static str, f64)],
}

fn scenario(name: &'static str, route: Option<String>, reached: &'static [(&'static str, f64)]) -> Scenario {
    Scenario { name, route, reached }
}

/// Returns the shares of a scenario that differ by kind: Kuma reaches a MeshExternalService only through a zone egress,
/// as does an Envoy configured like Kuma's; our own proxy needs none.
fn differs(
    kind: Kind,
    envoy: &'static [(&'static str, f64)],
    ours: &'static [(&'static str, f64)],
) -> &'static [(&'static str, f64)] {
    match kind {
        Kind::Envoy(..) => envoy,
        Kind::Ours => ours,
    }
}

/// Scenarios of `web-1`, which dials `ledger`. They follow one another, so that each is also a change.
fn of_a_sidecar(kind: Kind) -> Vec<Scenario> {
    let ledger = |refs: &[String]| Some(route(refs));
    vec![
        scenario("without a route", None, &[("v1", 1.0), ("v2", 1.0)]),
        scenario(
            "split 90/10",
            ledger(&[service("ledger", 90), service("next", 10)]),
            &[("v1", 45.0), ("v2", 45.0), ("next", 10.0)],
        ),
        scenario("reroute", ledger(&[service("next", 1)]), &[("next", 1.0)]),
        scenario(
            "split by version",
            ledger(&[version("v1", 80), version("v2", 20)]),
            &[("v1", 80.0), ("v2", 20.0)],
        ),
        scenario("one version", ledger(&[version("v2", 1), version("v1", 0)]), &[("v2", 1.0)]),
        scenario(
            "split with a service outside the mesh",
            ledger(&[service("ledger", 50), service("partner", 50)]),
            &[("v1", 25.0), ("v2", 25.0), ("partner", 50.0)],
        ),
        scenario(
            "a MeshExternalService in a mesh without zone egress",
            ledger(&[external("cloud", 30), service("next", 70)]),
            differs(kind, &[("-", 30.0), ("next", 70.0)], &[("cloud", 30.0), ("next", 70.0)]),
        ),
        scenario("outside the mesh", ledger(&[service("partner", 1)]), &[("partner", 1.0)]),
        scenario("all weights are 0", ledger(&[service("ledger", 0), service("next", 0)]), &[("-", 1.0)]),
        scenario("the route is removed", None, &[("v1", 1.0), ("v2", 1.0)]),
    ]
}

/// Scenarios of the gateway `edge-1`.
fn of_a_gateway() -> Vec<Scenario> {
    let edge = |refs: &[String]| Some(gateway_route(refs));
    vec![
        scenario("a gateway", edge(&[service("next", 1)]), &[("next", 1.0)]),
        scenario(
            "a split at a gateway",
            edge(&[version("v1", 75), service("next", 25)]),
            &[("v1", 75.0), ("next", 25.0)],
        ),
        scenario("outside the mesh from a gateway", edge(&[service("partner", 1)]), &[("partner", 1.0)]),
    ]
}

fn play(kind: Kind) {
    for (name, scenarios) in [("web-1", of_a_sidecar(kind)), ("edge-1", of_a_gateway())] {
        let (village, control_plane, proxy) = attached(kind, name);
        let port = if name == "web-1" { village.outbound } else { village.gateway };
        for Scenario { name, route, reached } in scenarios {
            println!("{kind:?}: {name}");
            match route {
                Some(text) => drop(control_plane.roll_out(|| village.save("route.yaml", &text))),
                None if village.file("route.yaml").exists() => {
                    control_plane.roll_out(|| village.remove("route.yaml"));
                }
                None => {}
            }
            // Envoy's workers apply a change shortly after it is acknowledged
            let mut names: Vec<&str> = reached.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            reaches(port, &names);
            assert_split(&tally(port, CONNECTIONS), reached);
        }
        proxy.refused_nothing();
        assert_eq!(control_plane.metric("meshtcp_discovery_nacks_total"), 0);
        if let (Attached::Envoy(envoy), Kind::Envoy(_, layout)) = (&proxy, kind) {
            let one_cluster = envoy.page("/clusters").contains("split:");
            assert_eq!(one_cluster, layout == Layout::Endpoints, "the layout that was asked for");
        }
    }
}

#[test]
fn envoy_in_delta_by_endpoints() {
    play(Kind::Envoy(Delta, Layout::Endpoints));
}

#[test]
fn envoy_in_state_of_the_world_by_endpoints() {
    play(Kind::Envoy(StateOfTheWorld, Layout::Endpoints));
}

#[test]
fn envoy_in_delta_by_clusters() {
    play(Kind::Envoy(Delta, Layout::Clusters));
}

#[test]
fn envoy_in_state_of_the_world_by_clusters() {
    play(Kind::Envoy(StateOfTheWorld, Layout::Clusters));
}

#[test]
fn our_own_proxy() {
    play(Kind::Ours);
}
