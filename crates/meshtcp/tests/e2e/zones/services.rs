//! Real services of another zone, by a copy of their MeshService.

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{PORT, Places, client, everywhere, redis, server};
use crate::backend::free_ports;
use crate::connection::{Connection, reaches, tally};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

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

/// A service of the west, and what the east knows it as: names as they are stored, and the labels that say more.
struct Copied {
    kind: &'static str,
    names: [&'static str; 2],
    display_name: &'static str,
    /// That of Kubernetes; `None`: it was made where there is none.
    namespace: Option<&'static str>,
    /// Whether both zones have a copy of what a Global made.
    of_global: bool,
    /// The service in its server name.
    spoken: &'static str,
}

impl Copied {
    /// It, as the zone at this place has it: the first is its own.
    fn document(&self, place: usize, target: u64) -> Value {
        let mut document = match self.kind {
            "MeshService" => service(if place == 0 { target } else { u64::from(PORT) }, "Available"),
            _ => everywhere(),
        };
        document["name"] = self.names[place].into();
        let mut labels = json!({ "app": "redis", "kuma.io/display-name": self.display_name });
        if let Some(namespace) = self.namespace {
            labels["k8s.kuma.io/namespace"] = namespace.into();
        }
        if self.of_global || place == 1 {
            labels["kuma.io/origin"] = "global".into();
        }
        if !self.of_global && place == 1 {
            labels["kuma.io/zone"] = "west".into();
        }
        document["labels"] = labels;
        document
    }

    /// How a client in the east calls it.
    fn dialled(&self) -> Value {
        let mut labels = json!({ "kuma.io/display-name": self.display_name });
        if !self.of_global {
            labels["kuma.io/zone"] = "west".into();
        }
        json!({ "kind": self.kind, "labels": labels, "port": PORT })
    }
}

/// Stored names are those that a zone and a Global give: with the namespace in it for an original on Kubernetes, and a hash for a copy,
/// which Kubernetes keeps in the namespace of its control plane.
const COPIED: [Copied; 6] = [
    Copied {
        kind: "MeshService",
        names: ["redis", "redis-4b6c9d2f8z7x5w1v"],
        display_name: "redis",
        namespace: None,
        of_global: false,
        spoken: "redis",
    },
    Copied {
        kind: "MeshService",
        names: ["queue", "queue-v5w1x7z8f2d9c6b4.kuma-system"],
        display_name: "queue",
        namespace: None,
        of_global: false,
        spoken: "queue",
    },
    Copied {
        kind: "MeshService",
        names: ["cart.shop", "cart-8f2d9c6b4v5w1x7z"],
        display_name: "cart",
        namespace: Some("shop"),
        of_global: false,
        spoken: "cart.shop",
    },
    Copied {
        kind: "MeshService",
        names: ["audit", "audit-7x5w1v4b6c9d2f8z"],
        display_name: "audit",
        namespace: Some("kuma-system"),
        of_global: false,
        spoken: "audit",
    },
    Copied {
        kind: "MeshMultiZoneService",
        names: ["ledger-9d2f8z7x5w1v4b6c", "ledger-9d2f8z7x5w1v4b6c"],
        display_name: "ledger",
        namespace: None,
        of_global: true,
        spoken: "ledger",
    },
    Copied {
        kind: "MeshMultiZoneService",
        names: ["stock-2f8z7x5w1v4b6c9d.kuma-system", "stock-2f8z7x5w1v4b6c9d"],
        display_name: "stock",
        namespace: Some("kuma-system"),
        of_global: true,
        spoken: "stock",
    },
];

#[test]
fn who_has_a_copy_asks_by_the_name_that_the_ingress_knows_wherever_it_was_made() {
    of_every_mix(|mix| {
        let mut places = west(mix, &json!({}));
        let inbound = places.west.get("/meshes/default/dataplanes/redis-w");
        let target = inbound["networking"]["inbound"][0]["port"].as_u64().unwrap();
        let ports: [u16; COPIED.len() + 1] = free_ports();
        let mut outbounds = Vec::new();
        for (copied, port) in COPIED.iter().zip(ports) {
            places.west.put(&copied.document(0, target));
            places.east.put(&copied.document(1, target));
            outbounds.push(json!({ "port": port, "backendRef": copied.dialled() }));
        }
        // another one has its display name, and another namespace, which nobody behind the ingress has
        let lost = Copied { names: ["", "cart-lost"], namespace: Some("lost"), ..COPIED[2] };
        let mut lost_document = lost.document(1, target);
        lost_document["labels"]["app"] = "lost".into();
        places.east.put(&lost_document);
        let mut dialled = lost.dialled();
        dialled["labels"]["k8s.kuma.io/namespace"] = "lost".into();
        outbounds.push(json!({ "port": ports[COPIED.len()], "backendRef": dialled }));
        outbounds[2]["backendRef"]["labels"]["k8s.kuma.io/namespace"] = "shop".into();
        let mut web = client("default", "web-1", &json!({}));
        web["networking"]["outbound"] = outbounds.into();
        places.east.put(&web);
        places.east.attach(mix.0, "web-1");
        for (copied, port) in COPIED.iter().zip(ports) {
            println!("{mix:?} {}", copied.display_name);
            reaches(port, &["west"]);
            let name = format!(".{}.{PORT}.default.", copied.spoken);
            if mix.1 == Sort::Ours {
                eventually(&format!("the ingress was asked for {name}"), || {
                    places.west.log("ZoneIngress/zi-west").contains(&name)
                });
            }
        }
        reaches(ports[COPIED.len()], &["-"]);
    });
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
