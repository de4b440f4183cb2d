//! Several ExternalServices of one `kuma.io/service`, each with TLS of its own, or none.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use super::neighbours::{Proxy, Sort, permission};
use super::outside::said;
use super::stranger::{Authority, Backwards};
use super::two_at_a_time;
use crate::backend::free_ports;
use crate::program::eventually;
use crate::store::ControlPlane;

/// Number of dials, which take three endpoints by turns.
const TIMES: usize = 24;

/// A service that says each line backwards, in plaintext.
fn says_backwards(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&client).read_line(&mut line);
            let back: String = line.trim_end().chars().rev().collect();
            let _ = writeln!(&client, "{back}");
        }
    });
}

fn external(name: &str, port: u16, authority: Option<&Authority>) -> Value {
    let mut networking = json!({ "address": format!("127.0.0.1:{port}") });
    if let Some(authority) = authority {
        networking["tls"] = json!({ "enabled": true, "caCert": { "inlineString": authority.certificate() } });
    }
    json!({ "type": "ExternalService", "mesh": "default", "name": name, "networking": networking,
            "tags": { "kuma.io/service": "pay", "kuma.io/protocol": "tcp" } })
}

/// How many of so many connections are served.
fn served(outbound: u16) -> usize {
    (0..TIMES).filter(|_| said(outbound).as_deref() == Some("olleh\n")).count()
}

#[test]
fn each_of_one_name_is_spoken_to_in_its_own_way_and_believed_by_its_own_authority() {
    let [first, second] = [Authority::another(), Authority::another()];
    let ports: [u16; 3] = free_ports();
    let at_host = ["IP:127.0.0.1".to_owned()];
    let _one = Backwards::start(ports[0], &first.issues("one", &at_host, 1), None);
    let _two = Backwards::start(ports[1], &second.issues("two", &at_host, 1), None);
    says_backwards(ports[2]);
    let ways = [Sort::Ours, Sort::Envoy]
        .into_iter()
        .flat_map(|sidecar| [None, Some(Sort::Ours), Some(Sort::Envoy)].map(|egress| (sidecar, egress)));
    let ways: Vec<_> = ways.collect();
    two_at_a_time(&ways, |(sidecar, egress)| {
        println!("{sidecar:?}, by the egress: {egress:?}");
        let control_plane = ControlPlane::start("memory", &[]);
        let [outbound, own, leaves] = free_ports();
        if egress.is_some() {
            let mut mesh = super::neighbours::mesh("STRICT", "1d");
            mesh["routing"] = json!({ "zoneEgress": true });
            control_plane.put("/meshes/default", &mesh);
            let networking = json!({ "address": "127.0.0.1", "port": leaves });
            let gate = json!({ "type": "ZoneEgress", "name": "ze", "networking": networking });
            control_plane.put("/zoneegresses/ze", &gate);
            let mut everybody = permission(&[(None, "Allow")]);
            everybody["spec"]["targetRef"] = json!({ "kind": "Mesh" });
            control_plane.put("/meshes/default/meshtrafficpermissions/redis", &everybody);
        }
        let put = |name: &str, port: u16, authority: Option<&Authority>| {
            let path = format!("/meshes/default/external-services/{name}");
            control_plane.put(&path, &external(name, port, authority));
        };
        put("one", ports[0], Some(&first));
        put("two", ports[1], Some(&second));
        put("three", ports[2], None);
        let dataplane = json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": own, "tags": { "kuma.io/service": "web" } }],
            "outbound": [{ "port": outbound, "tags": { "kuma.io/service": "pay" } }],
        } });
        control_plane.put("/meshes/default/dataplanes/web-1", &dataplane);
        let gate = egress.map(|sort| Proxy::start(sort, "ZoneEgress/ze", &control_plane));
        let web = Proxy::start(sidecar, "web-1", &control_plane);
        let logs = || format!("{}\n----\n{}", web.log(), gate.as_ref().map(Proxy::log).unwrap_or_default());
        eventually(&format!("all three are reached\n{}", logs()), || served(outbound) == TIMES);
        // one of them is not whom its own authority vouches for, though that of another does
        put("two", ports[1], Some(&first));
        eventually("the others are reached, and that one is not", || {
            (1..TIMES).contains(&served(outbound)) && (1..TIMES).contains(&served(outbound))
        });
        put("two", ports[1], None);
        eventually("who wants TLS takes no plaintext", || (1..TIMES).contains(&served(outbound)));
        put("two", ports[1], Some(&second));
        eventually(&format!("all three again\n{}", logs()), || served(outbound) == TIMES);
    });
}
