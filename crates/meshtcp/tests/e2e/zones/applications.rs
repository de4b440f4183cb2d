//! Real servers in both zones: redis and PostgreSQL, nine of ten connections here and one across, and an ingress that
//! is killed.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{Places, client};
use crate::backend::free_ports;
use crate::connection::assert_split;
use crate::database::Database;
use crate::identity::neighbours::Sort;
use crate::program::eventually;
use crate::redis::{Client, Redis, who_answers};

/// Dataplane beside a running server.
fn beside(name: &str, service: &str, version: &str, application: u16) -> Value {
    let [port] = free_ports();
    let tags = json!({ "kuma.io/service": service, "kuma.io/protocol": "tcp", "version": version });
    json!({ "type": "Dataplane", "mesh": "default", "name": name, "networking": {
        "address": "127.0.0.1", "inbound": [{ "port": port, "servicePort": application, "tags": tags }],
    } })
}

/// Route that keeps nine of ten connections in the east; connections that one side cannot take go to the other.
fn route(service: &str) -> Value {
    let side = |version: &str, weight: u32| json!({ "kind": "MeshServiceSubset", "name": service, "tags": { "version": version }, "weight": weight });
    json!({ "type": "MeshTCPRoute", "mesh": "default", "name": service, "labels": { "meshtcp.io/on-unavailable": "spill" }, "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "MeshService", "name": service },
                 "rules": [{ "default": { "backendRefs": [side("east", 90), side("west", 10)] } }] }],
    } })
}

fn checks() -> Value {
    json!({ "type": "MeshHealthCheck", "mesh": "default", "name": "often", "spec": {
        "targetRef": { "kind": "Mesh" },
        "to": [{ "targetRef": { "kind": "Mesh" }, "default": {
            "interval": "1s", "timeout": "1s", "unhealthyThreshold": 1, "healthyThreshold": 1, "tcp": {},
        } }],
    } })
}

/// Starts `service` in both zones, at these applications.
fn across((dials, gate, serves): (Sort, Sort, Sort), service: &str, applications: [u16; 2]) -> Places {
    let mut places = Places::of(&json!({}));
    let [east, west] = applications;
    places.west.put(&route(service));
    places.west.put(&beside("server-w", service, "west", west));
    places.west.attach(serves, "server-w");
    places.open(gate);
    places.carry(1);
    for document in [route(service), checks(), beside("server-e", service, "east", east)] {
        places.east.put(&document);
    }
    let outbound = json!({ "port": places.outbound, "tags": { "kuma.io/service": service } });
    places.east.put(&client("default", "web-1", &outbound));
    places.east.attach(serves, "server-e");
    places.east.attach(dials, "web-1");
    places
}

fn tally(times: usize, who: impl Fn() -> String) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..times {
        *seen.entry(who()).or_default() += 1;
    }
    seen
}

#[test]
fn redis_is_split_over_zones_and_goes_on_when_the_ingress_is_killed() {
    of_every_mix(|mix| {
        let ports: [u16; 2] = free_ports();
        let _servers = [Redis::start(ports[0], "east"), Redis::start(ports[1], "west")];
        let mut places = across(mix, "redis", ports);
        let who = |places: &Places| who_answers(places.outbound).unwrap_or_default();
        let all_answer = |seen: BTreeMap<String, usize>| seen.into_keys().eq(["east", "west"]);
        eventually("both zones answer", || all_answer(tally(40, || who(&places))));
        assert_split(&tally(400, || who(&places)), &[("east", 90.0), ("west", 10.0)]);
        let mut stays = Client::open(places.outbound);
        while stays.who() != "east" {
            stays = Client::open(places.outbound);
        }
        places.west.kill("ZoneIngress/zi-west");
        if mix.0 == Sort::Ours {
            // an Envoy keeps the share of a side that is down; ten in a hundred would go west: this many in a row are
            // not by chance
            eventually("all stay in the east", || (0..150).all(|_| who(&places) == "east"));
        }
        assert_eq!(stays.who(), "east", "who is served here notices nothing");
    });
}

#[test]
fn postgresql_is_split_over_zones_and_goes_on_when_the_ingress_is_killed() {
    let databases = [Database::start(), Database::start()];
    let ports = [databases[0].port(), databases[1].port()];
    let mut places = across((Sort::Ours, Sort::Ours, Sort::Ours), "postgres", ports);
    let asked = |places: &Places| -> Option<u16> {
        let outbound = places.outbound.to_string();
        let query = "select inet_server_port()";
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &outbound, "-U", "mesh", "-Atc", query, "postgres"])
            .env("PGSSLMODE", "disable")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    let who = |places: &Places| match asked(places) {
        Some(port) if port == ports[0] => "east".to_owned(),
        Some(port) if port == ports[1] => "west".to_owned(),
        other => format!("{other:?}"),
    };
    eventually("both zones answer", || tally(40, || who(&places)).len() == 2);
    assert_split(&tally(200, || who(&places)), &[("east", 90.0), ("west", 10.0)]);
    places.west.kill("ZoneIngress/zi-west");
    eventually("all stay in the east", || (0..100).all(|_| who(&places) == "east"));
    places.open(Sort::Ours);
    eventually("the west is back", || tally(40, || who(&places)).contains_key("west"));
}
