//! What leaves a zone by its egress.

use serde_json::{Value, json};

use super::places::{Zone, client, mesh};
use crate::backend::{free_ports, serve};
use crate::connection::reaches;
use crate::identity::neighbours::Sort::{self, Envoy, Ours};

/// Who dials, and who is the egress.
const PAIRS: [(Sort, Sort); 4] = [(Ours, Ours), (Envoy, Envoy), (Ours, Envoy), (Envoy, Ours)];

fn egress() -> Value {
    let [port] = free_ports();
    json!({ "type": "ZoneEgress", "name": "ze-1", "networking": { "address": "127.0.0.1", "port": port } })
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
