//! Real services of another zone, by a copy of their MeshService.

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{Places, client, redis, server};
use crate::backend::free_ports;
use crate::connection::{Connection, reaches, tally};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

const PORT: u16 = 6379;

/// MeshService `redis` of a zone.
fn service(target: u64, state: &str) -> Value {
    json!({ "type": "MeshService", "mesh": "default", "name": "redis", "labels": { "app": "redis" }, "spec": {
        "selector": { "dataplaneTags": { "kuma.io/service": "redis" } },
        "ports": [{ "port": PORT, "targetPort": target, "appProtocol": "tcp" }],
        "identities": [{ "type": "ServiceTag", "value": "redis" }],
        "state": state,
    } })
}

/// Copy in the east of the service of the west.
fn copy(state: &str) -> Value {
    let mut copy = service(u64::from(PORT), state);
    copy["name"] = "redis-of-west".into();
    copy["labels"] = json!({ "app": "redis", "kuma.io/origin": "global", "kuma.io/zone": "west",
                             "kuma.io/display-name": "redis" });
    copy
}

/// Starts `redis` in the west, behind an ingress that the east knows.
fn west((_, gate, serves): (Sort, Sort, Sort), more: &Value) -> Places {
    let mut places = Places::of(more);
    let dataplane = server("default", "redis-w", "west", &[redis("v1")]);
    places.west.put(&service(dataplane["networking"]["inbound"][0]["port"].as_u64().unwrap(), "Available"));
    places.west.put(&dataplane);
    places.west.attach(serves, "redis-w");
    places.open(gate);
    places.carry(1);
    places
}

#[test]
fn a_service_of_another_zone_is_dialled_as_itself_and_nobody_else() {
    of_every_mix(|mix| {
        let mut places = west(mix, &json!({}));
        places.east.put(&copy("Available"));
        // resources of another zone are selected by their labels
        let labels = json!({ "kuma.io/display-name": "redis", "kuma.io/zone": "west" });
        let backend = json!({ "kind": "MeshService", "labels": labels, "port": PORT });
        let outbound = json!({ "port": places.outbound, "backendRef": backend });
        places.east.put(&client("default", "web-1", &outbound));
        places.east.attach(mix.0, "web-1");
        reaches(places.outbound, &["west"]);
        // the service behind the ingress now has another identity
        let mut other = copy("Available");
        other["spec"]["identities"][0]["value"] = "postgres".into();
        places.east.put(&other);
        eventually("who is not whom it dials is not dialled", || Connection::open(places.outbound).is_none());
    });
}

/// MeshMultiZoneService that stands for `redis` of both zones.
fn everywhere() -> Value {
    json!({ "type": "MeshMultiZoneService", "mesh": "default", "name": "redis", "spec": {
        "selector": { "meshService": { "matchLabels": { "app": "redis" } } },
        "ports": [{ "port": PORT, "appProtocol": "tcp" }],
    } })
}

#[test]
fn a_service_of_another_zone_does_not_pass_the_egress_whatever_the_mesh_says() {
    let mut places =
        west((Sort::Ours, Sort::Ours, Sort::Ours), &json!({ "routing": { "zoneEgress": true } }));
    places.east.put(&copy("Available"));
    let [port] = free_ports();
    let networking = json!({ "address": "127.0.0.1", "port": port });
    places.east.put(&json!({ "type": "ZoneEgress", "name": "ze-east", "networking": networking }));
    places.east.attach(Sort::Ours, "ZoneEgress/ze-east");
    let labels = json!({ "kuma.io/display-name": "redis", "kuma.io/zone": "west" });
    let backend = json!({ "kind": "MeshService", "labels": labels, "port": PORT });
    places.east.put(&client("default", "web-1", &json!({ "port": places.outbound, "backendRef": backend })));
    places.east.attach(Sort::Ours, "web-1");
    reaches(places.outbound, &["west"]);
    places.east.kill("ZoneEgress/ze-east");
    assert_eq!(tally(places.outbound, 20).get("west"), Some(&20));
}

#[test]
fn a_service_of_several_zones_is_dialled_here_while_it_is_here() {
    of_every_mix(|mix| {
        let mut places = west(mix, &json!({}));
        let dataplane = server("default", "redis-e", "east", &[redis("v1")]);
        let target = dataplane["networking"]["inbound"][0]["port"].as_u64().unwrap();
        places.west.put(&everywhere());
        for document in [&service(target, "Available"), &dataplane, &copy("Available"), &everywhere()] {
            places.east.put(document);
        }
        let backend = json!({ "kind": "MeshMultiZoneService", "name": "redis", "port": PORT });
        places.east.put(&client(
            "default",
            "web-1",
            &json!({ "port": places.outbound, "backendRef": backend }),
        ));
        places.east.attach(mix.2, "redis-e");
        places.east.attach(mix.0, "web-1");
        reaches(places.outbound, &["east"]);
        let say = |places: &Places, state: &str| {
            let mut local = dataplane.clone();
            local["networking"]["inbound"][0]["state"] = state.into();
            places.east.put(&local);
        };
        say(&places, "NotReady");
        reaches(places.outbound, &["west"]);
        say(&places, "Ready");
        reaches(places.outbound, &["east"]);
        // the other zone reports that it has no instance
        places.east.put(&copy("Unavailable"));
        say(&places, "NotReady");
        reaches(places.outbound, &["-"]);
    });
}

#[test]
fn an_ingress_of_hundreds_of_services_gets_one_more_and_cuts_nobody_off() {
    let mut places = west((Sort::Ours, Sort::Ours, Sort::Ours), &json!({}));
    let many = |index: usize| {
        json!({ "type": "MeshService", "mesh": "default", "name": format!("many-{index}"), "spec": {
            "selector": { "dataplaneTags": { "kuma.io/service": "many" } },
            "ports": [{ "port": 80, "appProtocol": "tcp" }, { "port": 81, "appProtocol": "tcp" }],
        } })
    };
    for index in 0..200 {
        places.west.put(&many(index));
    }
    places.east.put(&copy("Available"));
    let labels = json!({ "kuma.io/display-name": "redis", "kuma.io/zone": "west" });
    let backend = json!({ "kind": "MeshService", "labels": labels, "port": PORT });
    places.east.put(&client("default", "web-1", &json!({ "port": places.outbound, "backendRef": backend })));
    places.east.attach(Sort::Ours, "web-1");
    reaches(places.outbound, &["west"]);
    let mut open: Vec<Connection> = (0..50).map(|_| Connection::open(places.outbound).unwrap()).collect();
    places.west.put(&many(200));
    eventually("the ingress runs it", || places.west.proxy("ZoneIngress/zi-west")["inSync"] == true);
    open.iter_mut().for_each(Connection::echo);
    reaches(places.outbound, &["west"]);
}
