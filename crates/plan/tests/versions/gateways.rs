//! Gateways: delegated and builtin.

use model::Profile::*;

use super::{MESH, NEXT, TAGS, TRAFFIC_ROUTE, from, only, only_route, planned, split, tcp, until};

/// A gateway of `kind`, with an outbound where it may have one.
fn gateway(kind: &str) -> String {
    let outbound = if kind == "DELEGATED" {
        "\n  outbound: [{port: 13000, tags: {kuma.io/service: ledger}}]"
    } else {
        ""
    };
    format!(
        "---\ntype: Dataplane\nmesh: default\nname: edge-1\nnetworking:\n  address: 192.0.2.2\n  gateway: {{type: {kind}, \
         tags: {{kuma.io/service: edge}}}}{outbound}\n"
    )
}

#[test]
fn delegated_gateways_are_selected_since_2_6() {
    for profile in until(V2_14) {
        let text =
            TAGS.replace("PROTOCOL", "tcp") + &gateway("DELEGATED") + &tcp("a", MESH, NEXT) + TRAFFIC_ROUTE;
        let plan = planned(profile, "default/edge-1", &text);
        let wanted = if profile < V2_6 { "ledger" } else { "next" };
        assert_eq!(split(&plan, 13000), only(wanted), "{profile}");
    }
}

#[test]
fn builtin_gateways_split_tcp_from_2_6_to_2_14() {
    let mesh_gateway = "---\ntype: MeshGateway\nmesh: default\nname: edge\nselectors: [{match: {kuma.io/service: edge}}]\n\
         conf: {listeners: [{port: 5432, protocol: TCP, tags: {port: sql}}, {port: 5433, protocol: TCP}]}\n";
    let route = tcp("a", "{kind: MeshGateway, name: edge, tags: {port: sql}}", NEXT)
        .replace("{kind: MeshService, name: ledger}\n", "{kind: Mesh}\n");
    for profile in from(V2_6) {
        let text = TAGS.replace("PROTOCOL", "tcp") + &gateway("BUILTIN") + mesh_gateway + &route;
        let plan = planned(profile, "default/edge-1", &text);
        let listener = |port| plan.listeners.iter().find(|listener| listener.bind.port == port).unwrap();
        let split = &only_route(listener(5432)).split;
        assert_eq!(split.len(), 1, "{profile}: {split:?}");
        assert_eq!(plan.clusters[split[0].cluster().unwrap()].service, "next", "{profile}");
        assert!(listener(5433).routes().all(|route| route.split.is_empty()), "{profile}");
    }
}
