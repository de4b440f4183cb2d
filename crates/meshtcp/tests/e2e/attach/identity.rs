//! Mesh with mTLS: its proxies get certificates, talk to each other through every renewal, and no key is printed.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::ControlPlane;
use super::envoy::{Envoy, Protocol};
use crate::backend::serve;
use crate::connection::Connection;
use crate::program::{answer, ask, eventually, meshtcp};
use crate::town::Town;

/// Mesh whose certificates live so briefly that one is made every few seconds.
const MESH: &str = "type: Mesh\nname: default\nmtls:\n  enabledBackend: ca\n  backends:\n    - name: ca\n      \
    type: BACKEND\n      dpCert: { rotation: { expiration: 8s } }\n";
const PERMISSION: &str = "type: MeshTrafficPermission\nmesh: default\nname: all\nspec:\n  targetRef: { kind: Mesh }\n  \
    from:\n    - targetRef: { kind: Mesh }\n      default: { action: Allow }\n";
/// Time for which connections are watched: two renewals and more.
const WATCHED: Duration = Duration::from_secs(16);

/// Town whose mesh has mTLS by this backend.
fn town(backend: &str) -> Town {
    let town = Town::new();
    let before = std::fs::read_to_string(town.file("mesh.yaml")).unwrap();
    town.save("mesh.yaml", &before.replace("type: Mesh\nname: default\n", &MESH.replace("BACKEND", backend)));
    town.save("permission.yaml", PERMISSION);
    serve(town.applications[0], "v1");
    town.save("route.yaml", &crate::town::route(&[("v1", 1)]));
    town
}

fn key(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../control/tests/keys");
    std::fs::read_to_string(format!("{folder}/{name}.pem")).unwrap()
}

/// Serial numbers of the certificates that an Envoy presents.
fn serials(envoy: &Envoy) -> BTreeSet<String> {
    let page = envoy.page("/certs");
    // the page comes in one chunk, preceded by its length
    let page = page.find('{').zip(page.rfind('}')).map_or("", |(from, to)| &page[from..=to]);
    let page: Value = serde_json::from_str(page).unwrap();
    let certificates = page["certificates"].as_array().cloned().unwrap_or_default();
    let chains = certificates.iter().flat_map(|it| it["cert_chain"].as_array().cloned().unwrap_or_default());
    chains.filter_map(|it| it["serial_number"].as_str().map(str::to_owned)).collect()
}

fn through_renewals(protocol: Protocol) {
    let town = town("builtin");
    let control_plane = ControlPlane::start_in(&town.path(), &["--xds", "127.0.0.1:0"]);
    let envoys = ["web-1", "redis-v1"].map(|proxy| Envoy::start(proxy, &control_plane, protocol));
    ["web-1", "redis-v1"].iter().for_each(|proxy| control_plane.is_in_sync(proxy));
    let mut open = None;
    eventually("web reaches redis", || {
        open = Connection::open(town.outbound);
        open.is_some()
    });
    let mut open = open.unwrap();
    let revision = control_plane.status()["revision"].clone();
    let (mut seen, began) = (BTreeSet::new(), Instant::now());
    while began.elapsed() < WATCHED {
        seen.extend(serials(&envoys[1]));
        open.echo();
        let mut new = Connection::open(town.outbound).expect("a new connection, whatever is being renewed");
        new.echo();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(seen.len() >= 3, "{seen:?}");
    assert_eq!(control_plane.status()["revision"], revision, "a renewal is no change of what is published");
    for envoy in &envoys {
        assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
        assert_eq!(envoy.stat("listener_manager.listener_modified"), 0, "{}", envoy.log());
    }
    // a client without a certificate gets no data; Envoy waits for a few bytes before it refuses
    let mut stranger = TcpStream::connect(("127.0.0.1", town.inbounds[0])).unwrap();
    stranger.write_all(b"who is there?\n").unwrap();
    let mut heard = Vec::new();
    // the connection may be reset
    let _ = stranger.read_to_end(&mut heard);
    // at most a TLS alert
    assert!(heard.first().is_none_or(|kind| *kind == 21), "{heard:?}");
}

#[test]
fn envoys_talk_through_renewals_in_delta() {
    through_renewals(Protocol::Delta);
}

#[test]
fn envoys_talk_through_renewals_in_state_of_the_world() {
    through_renewals(Protocol::StateOfTheWorld);
}

#[test]
fn a_provided_authority_signs_and_no_secret_is_printed() {
    let town = town("provided\n      conf: { cert: { secret: ca-cert }, key: { secret: ca-key } }");
    let secret = |name: &str, text: &str| {
        format!("type: Secret\nmesh: default\nname: {name}\ndata: {}\n", STANDARD.encode(text))
    };
    let (certificate, private) = (key("rsa-ca"), key("rsa-pkcs1"));
    town.save(
        "secrets.yaml",
        &format!("{}---\n{}", secret("ca-cert", &certificate), secret("ca-key", &private)),
    );
    let control_plane = ControlPlane::start_in(
        &town.path(),
        &["--xds", "127.0.0.1:0", "--api", "127.0.0.1:0", "--log-level", "trace"],
    );
    let envoy = Envoy::start("redis-v1", &control_plane, Protocol::Delta);
    control_plane.is_in_sync("redis-v1");
    eventually("Envoy has a certificate", || !serials(&envoy).is_empty());
    let api = control_plane.program.awaits_text(0, "api: http://").trim_start_matches("api: ").to_owned();
    let said = |words: &[&str]| {
        let (_, out, err) = answer(meshtcp(words).args(["--server", &api]));
        out + &err
    };
    let status = said(&["identity", "status", "-o", "json"]);
    let report: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(report["proxies"][0]["uris"][0], "spiffe://default/redis", "{status}");
    let serial = report["proxies"][0]["serial"].clone();
    let rotated = said(&["identity", "rotate", "default/redis-v1"]);
    eventually("the proxy has another certificate", || {
        let report: Value =
            serde_json::from_str(&said(&["identity", "status", "-o", "json"])).unwrap_or_default();
        report["proxies"][0]["serial"].is_string() && report["proxies"][0]["serial"] != serial
    });
    // everything that could contain a key: logs, pages, answers, output of the proxy
    let pages = ["/status", "/plan?dataplane=default/redis-v1", "/metrics"];
    let mut everything: String = pages.iter().map(|page| ask(&control_plane.admin, page).1).collect();
    everything.push_str(&control_plane.program.printed());
    everything.push_str(&envoy.log());
    everything.push_str(&status);
    everything.push_str(&rotated);
    for words in [&["get", "meshes", "-o", "yaml"][..], &["status"], &["identity", "status"], &["backup"]] {
        everything.push_str(&said(words));
    }
    everything.push_str(&envoy.page("/config_dump"));
    assert!(!everything.contains("PRIVATE KEY"), "a key is printed");
    let body: String = private.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!everything.contains(&body[100..160]), "the key of the authority is printed");
    assert!(!everything.contains(&STANDARD.encode(&private)[100..160]), "its secret is printed");
}

#[test]
fn without_a_readable_authority_nothing_is_told_that_would_be_plaintext() {
    let town = town("provided\n      conf: { cert: { secret: ca-cert }, key: { secret: ca-key } }");
    let control_plane = ControlPlane::start_in(&town.path(), &["--xds", "127.0.0.1:0"]);
    let envoy = Envoy::start("web-1", &control_plane, Protocol::Delta);
    eventually("the reason is told", || {
        control_plane.proxy("web-1")["notes"].to_string().contains("there is no Secret `ca-cert`")
    });
    assert_eq!(envoy.stat("listener_manager.total_listeners_active"), 0);
    assert!(Connection::open(town.outbound).is_none(), "nobody listens");
    control_plane.program.awaits_text(0, "configuration is withheld");
}
