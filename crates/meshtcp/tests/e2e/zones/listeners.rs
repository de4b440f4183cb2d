//! Zone proxies that are Dataplanes with listeners, each of one mesh whose workloads have identities (2.14 and 3).

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{PORT, Zone, everywhere, mesh};
use crate::api::ask;
use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches, tally};
use crate::identity::neighbours::Sort;
use crate::program::eventually;

/// Releases that have them.
const PROFILES: [&str; 2] = ["2.14", "3"];

/// Starts a zone whose workloads get identities, except those without the label. Every client is let in.
fn zone(profile: &str, name: &str) -> Zone {
    let zone = Zone::start_by(profile, name);
    let mut mesh = json!({ "type": "Mesh", "name": "default" });
    if profile != "3" {
        mesh["meshServices"] = json!({ "mode": "Exclusive" });
    }
    zone.put(&mesh);
    zone.put(&json!({ "type": "MeshIdentity", "mesh": "default", "name": "identity", "spec": {
        "selector": { "dataplane": { "matchLabels": { "identified": "yes" } } },
        "provider": { "type": "Bundled", "bundled": {
            "insecureAllowSelfSigned": true, "autogenerate": { "enabled": true },
        } },
    } }));
    zone.put(&permits(
        &json!([{ "spiffeID": { "type": "Prefix", "value": "spiffe://default.east.mesh.local" } }]),
    ));
    zone
}

/// MeshTrafficPermission by identities of clients.
fn permits(allow: &Value) -> Value {
    json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "all",
            "spec": { "targetRef": { "kind": "Mesh" }, "rules": [{ "default": { "allow": allow } }] } })
}

/// Stored document, without the fields that the control plane adds itself.
fn as_written(zone: &Zone, path: &str) -> Value {
    let mut document = zone.get(path);
    for computed in ["creationTime", "modificationTime", "kri", "labels", "status"] {
        document.as_object_mut().unwrap().remove(computed);
    }
    document
}

/// Makes one zone trust the identities of another.
fn trusts(zone: &Zone, other: &Zone, called: &str) {
    let path = "/meshes/default/meshtrusts/identity";
    eventually("there is a MeshTrust", || ask(&other.control_plane.api, &format!("GET {path}")).0 == 200);
    let mut trust = as_written(other, path);
    trust["name"] = called.into();
    trust["spec"].as_object_mut().unwrap().remove("origin");
    zone.put(&trust);
}

/// Starts `redis` of a zone, which greets with its name, behind a Dataplane with these labels.
fn serves(zone: &mut Zone, sort: Sort, greets: &str) {
    let [port, application] = free_ports();
    serve(application, greets);
    zone.put(&json!({
        "type": "Dataplane", "mesh": "default", "name": "redis-1",
        "labels": { "app": "redis", "kuma.io/workload": "redis", "identified": "yes" },
        "networking": { "address": "127.0.0.1", "inbound": [{
            "port": port, "servicePort": application, "protocol": "tcp",
            "tags": { "kuma.io/service": "redis", "kuma.io/protocol": "tcp" },
        }] },
    }));
    zone.put(&json!({
        "type": "MeshService", "mesh": "default", "name": "redis", "labels": { "app": "redis" },
        "spec": {
            "selector": { "dataplaneLabels": { "matchLabels": { "app": "redis" } } },
            "ports": [{ "port": PORT, "targetPort": port, "appProtocol": "tcp" }],
        },
    }));
    zone.attach(sort, "redis-1");
}

/// Starts a zone proxy without an identity, with one listener; returns its port.
fn ingress(zone: &mut Zone, sort: Sort) -> u16 {
    let [port] = free_ports();
    let listener =
        json!({ "type": "ZoneIngress", "address": "127.0.0.1", "port": port, "name": "from-elsewhere" });
    zone.put(&json!({ "type": "Dataplane", "mesh": "default", "name": "gate-1", "labels": { "app": "gate" },
                      "networking": { "address": "127.0.0.1", "listeners": [listener] } }));
    zone.attach(sort, "gate-1");
    port
}

/// Copies the service `redis` of another zone, as soon as it has an identity.
fn copies_service(zone: &Zone, other: &Zone, from: &str) {
    let path = "/meshes/default/meshservices/redis";
    let said = || other.get(path)["spec"].clone();
    eventually("the service says who it is", || {
        let ids = said()["identities"].as_array().cloned().unwrap_or_default();
        ids.iter().any(|id| id["type"] == "SpiffeID") && said()["state"] == "Available"
    });
    zone.put(
        &json!({ "type": "MeshService", "mesh": "default", "name": format!("redis-of-{from}"), "spec": said(),
                      "labels": { "app": "redis", "kuma.io/origin": "global", "kuma.io/zone": from,
                                  "kuma.io/display-name": "redis" } }),
    );
}

/// Puts the address at which another zone is dialled.
fn copies_address(zone: &Zone, from: &str, port: u16) {
    zone.put(&json!({ "type": "MeshZoneAddress", "mesh": "default", "name": format!("{from}-1"),
                      "labels": { "kuma.io/origin": "global", "kuma.io/zone": from },
                      "spec": { "address": "127.0.0.1", "port": port } }));
}

/// Dataplane `web`, which dials a service through the first of two ports. Without an identity it has a certificate by
/// the CA of the mesh, if there is one.
fn web([outbound, own]: [u16; 2], identified: bool, service: &Value) -> Value {
    let mut labels = json!({ "app": "web", "kuma.io/workload": "web" });
    if identified {
        labels["identified"] = "yes".into();
    }
    json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "labels": labels, "networking": {
        "address": "127.0.0.1",
        "inbound": [{ "port": own, "protocol": "tcp",
                      "tags": { "kuma.io/service": "web", "kuma.io/protocol": "tcp" } }],
        "outbound": [{ "port": outbound, "backendRef": service }],
    } })
}

fn redis_of(zone: &str) -> Value {
    let labels = json!({ "kuma.io/display-name": "redis", "kuma.io/zone": zone });
    json!({ "kind": "MeshService", "labels": labels, "port": PORT })
}

/// Two zones that trust each other, `redis` in the west behind a zone proxy without a key, and its copies in the east.
fn both(profile: &str, (_, gate, server): (Sort, Sort, Sort)) -> (Zone, Zone) {
    let (east, mut west) = (zone(profile, "east"), zone(profile, "west"));
    trusts(&east, &west, "west");
    trusts(&west, &east, "east");
    serves(&mut west, server, "west");
    let port = ingress(&mut west, gate);
    copies_service(&east, &west, "west");
    copies_address(&east, "west", port);
    (east, west)
}

#[test]
fn a_service_of_another_zone_is_reached_by_a_zone_proxy_that_has_no_key() {
    for profile in PROFILES {
        of_every_mix(|mix| {
            let (mut east, west) = both(profile, mix);
            let ports = free_ports();
            east.put(&web(ports, true, &redis_of("west")));
            east.attach(mix.0, "web-1");
            reaches(ports[0], &["west"]);
            if mix.1 == Sort::Ours {
                let asked = format!("server_name=sni.msvc.default.west.redis.{PORT}");
                eventually("the readable name was asked for", || west.log("gate-1").contains(&asked));
            }
        });
    }
}

#[test]
fn who_has_no_identity_yet_asks_such_a_zone_proxy_for_a_name_that_it_does_not_know() {
    for dials in [Sort::Ours, Sort::Envoy] {
        let (mut east, west) = both("2.14", (dials, Sort::Ours, Sort::Ours));
        east.put(&mesh("default", &json!({ "meshServices": { "mode": "Exclusive" } })));
        let ports = free_ports();
        east.put(&web(ports, false, &redis_of("west")));
        east.attach(dials, "web-1");
        assert!(Connection::open(ports[0]).is_none(), "{dials:?}");
        eventually("the hashed name was asked for", || west.log("gate-1").contains(".redis.6379.default.ms"));
        east.put(&web(ports, true, &redis_of("west")));
        reaches(ports[0], &["west"]);
    }
}

#[test]
fn zones_with_either_sort_of_ingress_are_dialled_by_the_names_that_each_knows() {
    of_every_mix(|mix| {
        let (mut east, west) = both("2.14", mix);
        let mut south = zone("2.14", "south");
        trusts(&east, &south, "south");
        trusts(&south, &east, "east");
        serves(&mut south, mix.2, "south");
        let [gate] = free_ports();
        let networking = json!({ "address": "127.0.0.1", "port": gate, "advertisedAddress": "127.0.0.1",
                                 "advertisedPort": gate });
        let mut old = json!({ "type": "ZoneIngress", "name": "zi-south", "networking": networking });
        south.put(&old);
        south.attach(mix.1, "ZoneIngress/zi-south");
        copies_service(&east, &south, "south");
        old["zone"] = "south".into();
        east.put(&old);
        for zone in [&east, &west, &south] {
            zone.put(&everywhere());
        }
        let ports = free_ports();
        let backend = json!({ "kind": "MeshMultiZoneService", "name": "redis", "port": PORT });
        east.put(&web(ports, true, &backend));
        east.attach(mix.0, "web-1");
        reaches(ports[0], &["south", "west"]);
        assert_eq!(tally(ports[0], 40).get("-"), None);
    });
}

#[test]
fn a_way_out_is_open_to_the_service_whose_name_is_permitted_and_to_no_other() {
    let runs = [
        ("2.14", Sort::Ours, Sort::Envoy),
        ("2.14", Sort::Envoy, Sort::Ours),
        ("3", Sort::Ours, Sort::Ours),
        ("3", Sort::Envoy, Sort::Envoy),
    ];
    for (profile, dials, gate) in runs {
        println!("{profile}, client, egress: {dials:?} {gate:?}");
        let mut east = zone(profile, "east");
        let [port, bank, shop, to_bank, to_shop, own] = free_ports();
        for (name, outside) in [("bank", bank), ("shop", shop)] {
            serve(outside, name);
            east.put(&json!({ "type": "MeshExternalService", "mesh": "default", "name": name, "spec": {
                "match": { "type": "HostnameGenerator", "port": 443, "protocol": "tcp" },
                "endpoints": [{ "address": "127.0.0.1", "port": outside }],
            } }));
        }
        let name = east.get("/meshes/default/meshexternalservices/bank")["snis"][0]["sni"].clone();
        east.put(&permits(&json!([{ "sni": { "type": "Exact", "value": name } }])));
        let listener = json!({ "type": "ZoneEgress", "address": "127.0.0.1", "port": port, "name": "out" });
        east.put(&json!({ "type": "Dataplane", "mesh": "default", "name": "gate-1",
                          "labels": { "identified": "yes", "kuma.io/workload": "gate" },
                          "networking": { "address": "127.0.0.1", "listeners": [listener] } }));
        east.attach(gate, "gate-1");
        let service = |name: &str| json!({ "kind": "MeshExternalService", "name": name, "port": 443 });
        let mut web = web([to_bank, own], true, &service("bank"));
        let outbounds = web["networking"]["outbound"].as_array_mut().unwrap();
        outbounds.push(json!({ "port": to_shop, "backendRef": service("shop") }));
        east.put(&web);
        east.attach(dials, "web-1");
        // without identities nothing is secured; an Envoy checks permissions at the first byte of the client, and a
        // server may have sent data before
        eventually("the other is closed", || {
            Connection::open(to_shop).is_none_or(|mut shop| shop.lives().is_none())
        });
        reaches(to_bank, &["bank"]);
        Connection::open(to_bank).unwrap().echo();
    }
}
