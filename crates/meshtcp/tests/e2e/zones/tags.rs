//! Services that tags name, in both zones.

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{Places, client, redis, server};
use crate::connection::{assert_split, reaches, tally};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

fn outbound(places: &Places) -> Value {
    json!({ "port": places.outbound, "tags": { "kuma.io/service": "redis" } })
}

/// Starts one instance of `redis` in the east, and `in_the_west` ones in the west.
fn both((dials, gate, serves): (Sort, Sort, Sort), more: &Value, in_the_west: usize) -> Places {
    let mut places = Places::of(more);
    places.west.put(&server("default", "redis-w", "west", &vec![redis("v1"); in_the_west]));
    places.west.attach(serves, "redis-w");
    places.open(gate);
    places.carry(1);
    places.east.put(&server("default", "redis-e", "east", &[redis("v1")]));
    places.east.put(&client("default", "web-1", &outbound(&places)));
    places.east.attach(serves, "redis-e");
    places.east.attach(dials, "web-1");
    places
}

#[test]
fn zones_share_by_their_instances() {
    of_every_mix(|mix| {
        let places = both(mix, &json!({}), 3);
        reaches(places.outbound, &["east", "west"]);
        assert_split(&tally(places.outbound, 400), &[("east", 1.0), ("west", 3.0)]);
    });
}

#[test]
fn the_own_zone_is_dialled_while_it_can_be() {
    of_every_mix(|mix| {
        let places = both(mix, &json!({ "routing": { "localityAwareLoadBalancing": true } }), 1);
        reaches(places.outbound, &["east"]);
        let mut local = places.east.get("/meshes/default/dataplanes/redis-e");
        local["networking"]["inbound"][0]["state"] = "NotReady".into();
        places.east.put(&local);
        reaches(places.outbound, &["west"]);
        assert_eq!(tally(places.outbound, 50).get("west"), Some(&50), "{}", places.logs());
    });
}

#[test]
fn a_split_reaches_a_version_that_only_another_zone_has() {
    of_every_mix(|(dials, gate, serves)| {
        let mut places = Places::of(&json!({}));
        let route = versions();
        places.west.put(&route);
        places.west.put(&server("default", "redis-w", "west", &[redis("v2")]));
        places.west.attach(serves, "redis-w");
        places.open(gate);
        places.carry(1);
        places.east.put(&route);
        places.east.put(&server("default", "redis-e", "east", &[redis("v1")]));
        places.east.put(&client("default", "web-1", &outbound(&places)));
        places.east.attach(serves, "redis-e");
        places.east.attach(dials, "web-1");
        reaches(places.outbound, &["east", "west"]);
        assert_split(&tally(places.outbound, 200), &[("east", 1.0), ("west", 1.0)]);
    });
}

#[test]
fn meshes_with_services_of_one_name_stay_apart() {
    of_every_mix(|(dials, gate, serves)| {
        let mut places = Places::of(&json!({}));
        places.share("shop", &json!({}));
        for (mesh, name) in [("default", "redis-w"), ("shop", "redis-s")] {
            places.west.put(&server(mesh, name, mesh, &[redis("v1")]));
            places.west.attach(serves, &format!("{mesh}/{name}"));
        }
        places.open(gate);
        places.carry(2);
        let [other] = crate::backend::free_ports();
        places.east.put(&client("default", "web-1", &outbound(&places)));
        let to_shop = json!({ "port": other, "tags": { "kuma.io/service": "redis" } });
        places.east.put(&client("shop", "web-1", &to_shop));
        places.east.attach(dials, "web-1");
        places.east.attach(dials, "shop/web-1");
        reaches(places.outbound, &["default"]);
        reaches(other, &["shop"]);
    });
}

#[test]
fn a_dead_ingress_is_passed_over_when_another_leads_to_the_same_zone() {
    let (dials, gate, serves) = (Sort::Ours, Sort::Ours, Sort::Ours);
    let mut places = both((dials, gate, serves), &json!({}), 1);
    reaches(places.outbound, &["east", "west"]);
    places.east.put(&json!({ "type": "MeshCircuitBreaker", "mesh": "default", "name": "b", "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "Mesh" }, "default": { "outlierDetection": {
            "interval": "1s", "baseEjectionTime": "300s", "maxEjectionPercent": 100,
            "detectors": { "localOriginFailures": { "consecutive": 1 } }, "splitExternalAndLocalErrors": true,
        } } }],
    } }));
    places.west.ends_proxies();
    eventually("who is left serves", || tally(places.outbound, 20).get("east") == Some(&20));
}

/// Split of `redis` to both of its versions.
fn versions() -> Value {
    let version = |version: &str| json!({ "kind": "MeshServiceSubset", "name": "redis", "tags": { "version": version }, "weight": 50 });
    json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "split", "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "MeshService", "name": "redis" },
                 "rules": [{ "default": { "backendRefs": [version("v1"), version("v2")] } }] }],
    } })
}

#[test]
fn before_2_6_an_ingress_closes_a_version_that_only_a_route_names() {
    of_every_mix(|(dials, gate, serves)| {
        let mut places = Places::by("2.5", &json!({}));
        places.west.put(&versions());
        places.west.put(&server("default", "redis-w", "west", &[redis("v2")]));
        places.west.attach(serves, "redis-w");
        places.open(gate);
        places.carry(1);
        places.east.put(&versions());
        places.east.put(&server("default", "redis-e", "east", &[redis("v1")]));
        places.east.put(&client("default", "web-1", &outbound(&places)));
        places.east.attach(serves, "redis-e");
        places.east.attach(dials, "web-1");
        reaches(places.outbound, &["-", "east"]);
        assert_split(&tally(places.outbound, 200), &[("east", 1.0), ("-", 1.0)]);
    });
}

#[test]
fn through_the_egress_where_the_mesh_says_so_and_end_to_end() {
    for (dials, egress) in [(Sort::Ours, Sort::Ours), (Sort::Envoy, Sort::Ours), (Sort::Ours, Sort::Envoy)] {
        let mut places = Places::of(&json!({ "routing": { "zoneEgress": true } }));
        places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
        places.west.attach(Sort::Ours, "redis-w");
        places.open(Sort::Ours);
        places.carry(1);
        let [port] = crate::backend::free_ports();
        let networking = json!({ "address": "127.0.0.1", "port": port });
        places.east.put(&json!({ "type": "ZoneEgress", "name": "ze-east", "networking": networking }));
        places.east.attach(egress, "ZoneEgress/ze-east");
        places.east.put(&client("default", "web-1", &outbound(&places)));
        places.east.attach(dials, "web-1");
        reaches(places.outbound, &["west"]);
        let asked = r#"server_name="redis{mesh=default}""#;
        eventually("the ingress has it in its log", || {
            places.west.log("ZoneIngress/zi-west").contains(asked)
        });
        if egress == Sort::Ours {
            // it sees the server name, and forwards data that it cannot decrypt
            eventually("so has the egress", || places.east.log("ZoneEgress/ze-east").contains(asked));
            assert!(!places.east.log("ZoneEgress/ze-east").contains("backend_peer"));
        }
        // without the egress no connection gets through
        places.east.kill("ZoneEgress/ze-east");
        reaches(places.outbound, &["-"]);
    }
}
