//! Routes by tags: who decides, and the split.

use std::collections::BTreeMap;

use meshtcp_plan::{Outcome, ProxyId, plan};
use model::Profile::*;

use super::{
    CACHE, MESH, NEXT, TAGS, from, only, only_route, outbounds, planned, snapshot, split, tags, tcp, until,
};

#[test]
fn reroute_and_split() {
    for profile in until(V2_14) {
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, NEXT)]), 13000), only("next"), "{profile}");
        let ninety =
            "{kind: MeshService, name: ledger, weight: 90}, {kind: MeshService, name: next, weight: 10}";
        let wanted = BTreeMap::from([("ledger".to_owned(), 0.9), ("next".to_owned(), 0.1)]);
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, ninety)]), 13000), wanted, "{profile}");
    }
}

#[test]
fn a_missing_weight_is_1_and_0_takes_nothing() {
    for profile in until(V2_14) {
        let weights = "{kind: MeshService, name: ledger, weight: 3}, {kind: MeshService, name: next}, \
                       {kind: MeshService, name: cache, weight: 0}";
        let wanted = BTreeMap::from([("ledger".to_owned(), 0.75), ("next".to_owned(), 0.25)]);
        assert_eq!(split(&tags(profile, "tcp", &[tcp("a", MESH, weights)]), 13000), wanted, "{profile}");
        let nothing = tags(profile, "tcp", &[tcp("a", MESH, "{kind: MeshService, name: next, weight: 0}")]);
        assert!(
            split(&nothing, 13000).is_empty() && only_route(outbounds(&nothing)[0]).refusal.is_some(),
            "{profile}"
        );
    }
}

#[test]
fn subsets_are_told_apart_by_tags() {
    let subsets = "{kind: MeshServiceSubset, name: ledger, tags: {version: v1}, weight: 90}, \
                   {kind: MeshServiceSubset, name: ledger, tags: {version: v2}, weight: 10}";
    for profile in until(V2_14) {
        let plan = tags(profile, "tcp", &[tcp("a", MESH, subsets)]);
        let split = split(&plan, 13000);
        let met = split.iter().map(|(cluster, share)| {
            let endpoints = &plan.clusters[cluster].endpoints;
            (endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect::<String>(), *share)
        });
        let met: BTreeMap<String, f64> = met.collect();
        let wanted = BTreeMap::from([("192.0.2.11".to_owned(), 0.9), ("192.0.2.12".to_owned(), 0.1)]);
        assert_eq!(met, wanted, "{profile}");
        // 2.3 and 2.4 count subsets, later releases hash their tags.
        let counted = split.keys().any(|cluster| cluster.ends_with('_'));
        assert_eq!(counted, profile <= V2_4, "{profile}: {split:?}");
    }
}

#[test]
fn the_more_specific_policy_wins() {
    for profile in until(V2_14) {
        let policies =
            [tcp("m", MESH, CACHE), tcp("z", "{kind: MeshSubset, tags: {kuma.io/service: web}}", NEXT)];
        let plan = tags(profile, "tcp", &policies);
        assert_eq!(split(&plan, 13000), only("next"), "{profile}");
        let shadowed = only_route(outbounds(&plan)[0])
            .considered
            .iter()
            .filter(|it| matches!(it.outcome, Outcome::Shadowed { .. }));
        assert_eq!(shadowed.map(|it| it.origin.name.as_str()).collect::<Vec<_>>(), ["m"], "{profile}");
    }
    for profile in from(V2_10) {
        let named = "{kind: Dataplane, name: web-1}";
        let policies = [tcp("z", MESH, CACHE), tcp("m", named, NEXT)];
        assert_eq!(split(&tags(profile, "tcp", &policies), 13000), only("next"), "{profile}");
    }
}

#[test]
fn one_backend_with_another_protocol_empties_the_split_until_2_8() {
    for profile in until(V2_14) {
        // gRPC until 2.5, TLS later: protocols that TCP is not routed to.
        let protocol = if profile <= V2_5 {
            "grpc"
        } else if profile >= V2_8 {
            "tls"
        } else {
            continue;
        };
        let other = format!("kuma.io/service: cache, kuma.io/protocol: {protocol}");
        let text =
            TAGS.replace("PROTOCOL", "tcp").replace("kuma.io/service: cache, kuma.io/protocol: tcp", &other);
        let refs = format!("{NEXT}, {CACHE}");
        let plan = planned(profile, "default/web-1", &(text + &tcp("a", MESH, &refs)));
        let wanted = if profile <= V2_8 { BTreeMap::new() } else { only("next") };
        assert_eq!(split(&plan, 13000), wanted, "{profile}");
    }
}

#[test]
fn subsets_reach_other_zones_since_2_6() {
    let ingress = "---\ntype: ZoneIngress\nname: zi\nnetworking: {address: 192.0.2.3, port: 10001}\navailableServices: [{mesh: \
                   default, instances: 1, tags: {kuma.io/service: ledger, version: v2}}]\n";
    let subset = "{kind: MeshServiceSubset, name: ledger, tags: {version: v2}}";
    for profile in until(V2_14) {
        let text = TAGS.replace("PROTOCOL", "tcp") + ingress + &tcp("a", MESH, subset);
        let plan = plan(&snapshot(profile, &text), &ProxyId::ZoneIngress("zi".into())).unwrap();
        let routes = &plan.listeners[0].routes;
        let has_subset = routes.iter().any(|(claimed, _)| claimed.hostname().contains("version=v2"));
        assert_eq!(has_subset, profile >= V2_6, "{profile}: {routes:?}");
    }
}
