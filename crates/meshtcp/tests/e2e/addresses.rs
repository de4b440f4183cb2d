//! Dataplanes with the same address: all of them are in force, and a proxy that cannot open a listener reports it.

use serde_json::{Value, json};

use crate::api::{ask, json};
use crate::backend::{free_ports, serve};
use crate::connection::Connection;
use crate::program::{Program, eventually, meshtcp};
use crate::store::ControlPlane;

fn dataplane(mesh: &str, name: &str, inbound: u16, outbounds: &[u16]) -> Value {
    let outbounds: Vec<Value> =
        outbounds.iter().map(|port| json!({ "port": port, "tags": { "kuma.io/service": "app" } })).collect();
    json!({ "type": "Dataplane", "mesh": mesh, "name": name, "networking": { "address": "127.0.0.1",
        "inbound": [{ "port": inbound, "tags": { "kuma.io/service": "web" } }], "outbound": outbounds } })
}

#[test]
fn every_host_may_say_loopback_and_who_cannot_listen_says_so() {
    let [inbound, shared, own, app] = free_ports();
    serve(app, "app");
    let control_plane = ControlPlane::start("memory", &[]);
    control_plane.put("/meshes/other", &json!({ "type": "Mesh", "name": "other" }));
    let app = json!({ "type": "Dataplane", "mesh": "default", "name": "app", "networking": { "address": "127.0.0.1",
        "inbound": [{ "port": app, "tags": { "kuma.io/service": "app" } }] } });
    let hosts = [
        ("default", "host-a", dataplane("default", "host-a", inbound, &[shared])),
        ("default", "host-b", dataplane("default", "host-b", inbound, &[shared, own])),
        ("other", "host-c", dataplane("other", "host-c", inbound, &[])),
        ("default", "app", app),
    ];
    for (mesh, name, document) in &hosts {
        control_plane.put(&format!("/meshes/{mesh}/dataplanes/{name}"), document);
    }
    for (mesh, name, _) in &hosts {
        let plan = format!("GET /meshes/{mesh}/dataplanes/{name}/_plan");
        eventually(name, || ask(&control_plane.api, &plan).0 == 200);
    }

    // two of them run on one host despite the shared address
    let follow = |name: &str| {
        let arguments = ["proxy", "--proxy", name, "--control-plane", &control_plane.xds, "--workers", "1"];
        Program::start(meshtcp(arguments))
    };
    let first = follow("host-a");
    first.awaits_text(0, "2 listeners opened");
    let second = follow("host-b");
    let said = second.awaits(0, "the listener that is taken", |line| {
        line.contains(&format!("inbound:127.0.0.1:{inbound}"))
    });
    assert!(said.contains("default/host-b") && said.contains("cannot be bound"), "{said}");
    eventually("the rest of it runs", || Connection::open(own).is_some_and(|it| it.backend == "app"));
    let status = || json(&control_plane.api, "/_status");
    let reasons = || {
        let status = status();
        let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
        proxies
            .iter()
            .find(|it| it["proxy"] == "default/host-b")
            .map(|it| it["refusals"].to_string())
            .unwrap_or_default()
    };
    eventually("the status says it", || {
        reasons().contains(&format!("127.0.0.1:{shared} cannot be bound for default/host-b"))
    });
    drop(first);
    eventually("it listens when it can", || Connection::open(shared).is_some_and(|it| it.backend == "app"));
}

#[test]
fn a_proposed_service_is_previewed_at_the_virtual_ip_that_it_will_have() {
    let control_plane = ControlPlane::start("memory", &[]);
    let mut captured = dataplane("default", "web-1", 8080, &[]);
    captured["networking"]["transparentProxying"] =
        json!({ "redirectPortInbound": 15006, "redirectPortOutbound": 15001 });
    control_plane.put("/meshes/default/dataplanes/web-1", &captured);
    let redis = json!({ "type": "MeshService", "mesh": "default", "name": "redis", "spec": {
        "selector": { "dataplaneTags": { "kuma.io/service": "redis" } },
        "ports": [{ "port": 6379, "appProtocol": "tcp" }],
    } });
    let tagged = dataplane("default", "ledger-1", 8081, &[]).to_string().replace("web\"", "ledger\"");
    let tagged: Value = serde_json::from_str(&tagged).unwrap();
    control_plane.put(
        "/meshes/default",
        &json!({ "type": "Mesh", "name": "default", "meshServices": { "mode": "Everywhere" } }),
    );
    // addresses where virtual IPs of the proxy would be, and where they are
    let addresses = |text: &str, first: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        let mut found: Vec<String> = words.filter(|it| it.starts_with(first)).map(str::to_owned).collect();
        found.sort();
        found.dedup();
        found
    };
    let both = json!({ "total": 2, "items": [redis, tagged] });
    let (status, foretold) = ask(&control_plane.api, &format!("POST /_preview {both}"));
    assert_eq!(status, 200, "{foretold}");
    control_plane.put("/meshes/default/meshservices/redis", &redis);
    control_plane.put("/meshes/default/dataplanes/ledger-1", &tagged);
    for first in ["241.", "240."] {
        let wanted = addresses(&foretold, first);
        assert!(!wanted.is_empty(), "{foretold}");
        eventually("the proxy has them", || {
            let (_, plan) = ask(&control_plane.api, "GET /meshes/default/dataplanes/web-1/_plan");
            let found = addresses(&plan, first);
            wanted.iter().all(|address| found.contains(address))
        });
    }
}
