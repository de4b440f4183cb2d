//! Connections that leave a zone by its egress.

use serde_json::{Value, json};

use super::places::{Zone, client, mesh};
use crate::backend::{free_ports, serve};
use crate::connection::{Connection, reaches, tally};
use crate::identity::neighbours::Sort::{self, Envoy, Ours};

/// Pairs of client and egress.
const PAIRS: [(Sort, Sort); 4] = [(Ours, Ours), (Envoy, Envoy), (Ours, Envoy), (Envoy, Ours)];

fn egress() -> Value {
    let [port] = free_ports();
    json!({ "type": "ZoneEgress", "name": "ze-1", "networking": { "address": "127.0.0.1", "port": port } })
}

/// Zone with `web`, which dials `bank` outside the mesh, and with these egresses.
fn to_bank(mesh_says: &Value, egresses: &[Sort]) -> (Zone, u16) {
    let mut east = Zone::start("east");
    let [outside, outbound] = free_ports();
    serve(outside, "bank");
    east.put(&json!({ "type": "Mesh", "name": "default" }));
    let mut mesh = json!({ "type": "Mesh", "name": "default" });
    for (key, value) in mesh_says.as_object().unwrap() {
        mesh[key] = value.clone();
    }
    east.put(&mesh);
    east.put(&json!({ "type": "MeshExternalService", "mesh": "default", "name": "bank", "spec": {
        "match": { "type": "HostnameGenerator", "port": 443, "protocol": "tcp" },
        "endpoints": [{ "address": "127.0.0.1", "port": outside }],
    } }));
    let bank = json!({ "kind": "MeshExternalService", "name": "bank", "port": 443 });
    east.put(&client("default", "web-1", &json!({ "port": outbound, "backendRef": bank })));
    for (index, sort) in egresses.iter().enumerate() {
        let mut egress = egress();
        egress["name"] = format!("ze-{index}").into();
        east.put(&egress);
        east.attach(*sort, &format!("ZoneEgress/ze-{index}"));
    }
    (east, outbound)
}

/// Returns `true` if no data gets through. An Envoy checks permissions at the first byte of the client, and a server
/// may have sent data before.
fn is_closed(outbound: u16) -> bool {
    Connection::open(outbound).is_none_or(|mut connection| connection.lives().is_none())
}

#[test]
fn nobody_leaves_where_the_mesh_forbids_it_or_proves_nothing() {
    for (dials, gate) in PAIRS {
        let mut forbids = mesh("default", &json!({}));
        forbids["routing"] = json!({ "defaultForbidMeshExternalServiceAccess": true });
        let (mut east, outbound) = to_bank(&forbids, &[gate]);
        east.attach(dials, "web-1");
        assert!(is_closed(outbound), "{dials:?} {gate:?}: the egress lets nobody in");
        east.put(&mesh("default", &json!({})));
        reaches(outbound, &["bank"]);
    }
    let (mut east, outbound) = to_bank(&json!({}), &[Sort::Ours]);
    east.attach(Envoy, "web-1");
    assert!(is_closed(outbound), "an egress serves only meshes with TLS");
    // ours dials directly where no egress could carry it
    let (mut east, outbound) = to_bank(&json!({}), &[Sort::Ours]);
    east.attach(Ours, "web-1");
    reaches(outbound, &["bank"]);
}

#[test]
fn an_egress_that_dies_takes_with_it_only_what_went_through_it() {
    for dials in [Ours, Envoy] {
        let (mut east, outbound) = to_bank(&mesh("default", &json!({})), &[Ours, Ours]);
        let said = |kind: &str, said: Value| {
            json!({ "type": kind, "mesh": "default", "name": "again", "spec": {
                "targetRef": { "kind": "Mesh" }, "to": [{ "targetRef": { "kind": "Mesh" }, "default": said }],
            } })
        };
        east.put(&said("MeshRetry", json!({ "tcp": { "maxConnectAttempt": 3 } })));
        east.attach(dials, "web-1");
        reaches(outbound, &["bank"]);
        let mut open: Vec<Connection> = (0..50).map(|_| Connection::open(outbound).unwrap()).collect();
        east.kill("ZoneEgress/ze-0");
        let left = open.iter_mut().filter_map(Connection::lives).count();
        assert!((15..=35).contains(&left), "{dials:?}: {left} of 50 went through the other");
        assert_eq!(tally(outbound, 60).get("bank"), Some(&60), "{dials:?}");
        east.attach(Ours, "ZoneEgress/ze-0");
        assert_eq!(tally(outbound, 60).get("bank"), Some(&60), "{dials:?}");
    }
}

#[test]
fn an_egress_proves_itself_in_each_mesh_and_leads_to_what_is_outside() {
    for (dials, gate) in PAIRS {
        println!("client, egress: {dials:?} {gate:?}");
        let mut east = Zone::start("east");
        let mut outbounds = Vec::new();
        for name in ["default", "shop"] {
            let [outside, outbound] = free_ports();
            serve(outside, &format!("bank of {name}"));
            east.put(&mesh(name, &json!({})));
            east.put(&json!({ "type": "MeshExternalService", "mesh": name, "name": "bank", "spec": {
                "match": { "type": "HostnameGenerator", "port": 443, "protocol": "tcp" },
                "endpoints": [{ "address": "127.0.0.1", "port": outside }],
            } }));
            let to_bank = json!({ "kind": "MeshExternalService", "name": "bank", "port": 443 });
            east.put(&client(name, "web-1", &json!({ "port": outbound, "backendRef": to_bank })));
            outbounds.push((name, outbound));
        }
        east.put(&egress());
        east.attach(gate, "ZoneEgress/ze-1");
        for (name, outbound) in outbounds {
            east.attach(dials, &format!("{name}/web-1"));
            reaches(outbound, &[&format!("bank of {name}")]);
        }
    }
}
