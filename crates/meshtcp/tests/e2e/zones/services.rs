//! Real services of another zone, by a copy of their MeshService.

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{Places, client, redis, server};
use crate::connection::{Connection, reaches};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

const PORT: u16 = 6379;

/// The MeshService `redis` of a zone.
fn service(target: u64, state: &str) -> Value {
    json!({ "type": "MeshService", "mesh": "default", "name": "redis", "labels": { "app": "redis" }, "spec": {
        "selector": { "dataplaneTags": { "kuma.io/service": "redis" } },
        "ports": [{ "port": PORT, "targetPort": target, "appProtocol": "tcp" }],
        "identities": [{ "type": "ServiceTag", "value": "redis" }],
        "state": state,
    } })
}

/// What the east knows of the service of the west.
fn copy(state: &str) -> Value {
    let mut copy = service(u64::from(PORT), state);
    copy["name"] = "redis-of-west".into();
    copy["labels"] = json!({ "app": "redis", "kuma.io/origin": "global", "kuma.io/zone": "west",
                             "kuma.io/display-name": "redis" });
    copy
}

/// `redis` in the west, behind an ingress that the east knows.
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
        // what is of another zone is found by its labels
        let labels = json!({ "kuma.io/display-name": "redis", "kuma.io/zone": "west" });
        let backend = json!({ "kind": "MeshService", "labels": labels, "port": PORT });
        let outbound = json!({ "port": places.outbound, "backendRef": backend });
        places.east.put(&client("default", "web-1", &outbound));
        places.east.attach(mix.0, "web-1");
        reaches(places.outbound, &["west"]);
        // behind the ingress somebody else answers now
        let mut other = copy("Available");
        other["spec"]["identities"][0]["value"] = "postgres".into();
        places.east.put(&other);
        eventually("who is not whom it dials is not dialled", || Connection::open(places.outbound).is_none());
    });
}
