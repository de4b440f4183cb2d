//! Changes under live connections.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use super::neighbours::{Neighbours, Sort, mesh};
use super::of_every_pair;
use super::stranger::{Authority, serial};
use crate::connection::Connection;
use crate::program::eventually;

#[test]
fn certificates_are_renewed_under_living_connections() {
    of_every_pair(|client, server| {
        let neighbours = Neighbours::open(client, server, &mesh("STRICT", "5s"));
        let mut connections: Vec<Connection> =
            (0..50).map(|_| neighbours.dial().expect("it reaches redis")).collect();
        let mut serials = BTreeSet::new();
        eventually("certificates are renewed", || {
            serials.extend(serial(neighbours.inbound));
            let mut dialled = neighbours.dial().unwrap_or_else(|| panic!("{}", neighbours.logs()));
            dialled.echo();
            std::thread::sleep(Duration::from_millis(100));
            serials.len() >= 3
        });
        for connection in &mut connections {
            connection.echo();
        }
    });
}

#[test]
fn a_mesh_becomes_strict_by_way_of_permissive_and_cuts_nobody() {
    let neighbours =
        Neighbours::start(Sort::Ours, Sort::Ours, &serde_json::json!({ "type": "Mesh", "name": "default" }));
    let mut plaintext = neighbours.reaches("in plaintext");
    neighbours.permit(&[(None, "Allow")]);
    neighbours.put("/meshes/default", &mesh("PERMISSIVE", "1d"));
    let mut permissive = neighbours.reaches("while both are taken");
    assert!(greets(&neighbours), "plaintext is still taken");
    eventually("clients go over to TLS when all instances have a certificate", || {
        neighbours.reaches("by either");
        neighbours.logs().lines().any(|line| line.contains("listener=inbound") && line.contains(" tls="))
    });
    neighbours.put("/meshes/default", &mesh("STRICT", "1d"));
    let mut strict = neighbours.reaches("when only TLS is");
    eventually("plaintext is not taken", || !greets(&neighbours));
    neighbours.put("/meshes/default", &mesh("PERMISSIVE", "1d"));
    neighbours.reaches("back again");
    for connection in [&mut plaintext, &mut permissive, &mut strict] {
        connection.echo();
    }
}

/// Returns `true` if a silent plaintext client at the inbound is greeted. Our proxy first waits a moment for a hello.
fn greets(neighbours: &Neighbours) -> bool {
    let plain = neighbours.plain();
    plain.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut line = String::new();
    BufReader::new(plain).read_line(&mut line).is_ok_and(|read| read > 0)
}

#[test]
fn living_connections_outlast_whatever_happens_to_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("file:{}", folder.path().join("store.redb").display());
    let authorities = [Authority::another(), Authority::another()];
    let provided = |which: usize, mode: &str| {
        let text = |text: String| serde_json::json!({ "inlineString": text });
        // a new authority signs after a tenth of a life: all have to hear of it before, also from a busy machine
        let mut mesh = mesh(mode, "10s");
        mesh["mtls"]["backends"][0]["type"] = "provided".into();
        mesh["mtls"]["backends"][0]["conf"] = serde_json::json!({
            "cert": text(authorities[which].certificate()), "key": text(authorities[which].key()),
        });
        mesh
    };
    let mut neighbours = Neighbours::without_proxies(&store, &provided(0, "STRICT"));
    neighbours.permit(&[(None, "Allow")]);
    neighbours.attach(Sort::Ours, Sort::Ours);
    neighbours.reaches("at first");
    let mut connections: Vec<Connection> =
        (0..100).map(|_| neighbours.dial().expect("it reaches redis")).collect();
    let mut serials = BTreeSet::new();
    let mut lives = |neighbours: &Neighbours, rotations: usize| {
        let before = serials.len();
        eventually("certificates are made anew", || {
            serials.extend(serial(neighbours.inbound));
            neighbours.dial().unwrap_or_else(|| panic!("{}", neighbours.logs())).echo();
            connections.iter_mut().for_each(Connection::echo);
            serials.len() >= before + rotations
        });
    };
    lives(&neighbours, 2);
    for (which, mode) in [(1, "STRICT"), (1, "PERMISSIVE"), (0, "PERMISSIVE"), (0, "STRICT")] {
        neighbours.put("/meshes/default", &provided(which, mode));
        lives(&neighbours, 1);
    }
    neighbours.restart_control_plane(&store, |neighbours| {
        neighbours.dial().expect("proxies go on by themselves").echo();
    });
    neighbours.are_in_sync();
    lives(&neighbours, 1);
}

#[test]
fn clients_stay_in_plaintext_until_every_instance_can_end_tls() {
    for client in [Sort::Ours, Sort::Envoy] {
        let neighbours =
            Neighbours::start(client, Sort::Ours, &serde_json::json!({ "type": "Mesh", "name": "default" }));
        neighbours.permit(&[(None, "Allow")]);
        // a second instance, whose proxy is not running yet
        let [port] = crate::backend::free_ports();
        let second = serde_json::json!({ "type": "Dataplane", "mesh": "default", "name": "redis-2", "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": port, "state": "NotReady",
                          "tags": { "kuma.io/service": "redis", "kuma.io/protocol": "tcp" } }],
        } });
        neighbours.put("/meshes/default/dataplanes/redis-2", &second);
        neighbours.put("/meshes/default", &mesh("PERMISSIVE", "1d"));
        let by_tls = || {
            neighbours
                .logs()
                .lines()
                .filter(|line| line.contains("listener=inbound") && line.contains(" tls="))
                .count()
        };
        eventually("web and the first instance have certificates", || {
            let report = crate::api::json(&neighbours.control_plane.api, "/_identity");
            let rows = report["proxies"].as_array().cloned().unwrap_or_default();
            rows.iter().filter(|row| !row["serial"].is_null()).count() == 2
        });
        for _ in 0..10 {
            neighbours.dial().expect("in plaintext").echo();
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(by_tls(), 0, "{client:?}: one instance could not end it\n{}", neighbours.logs());
        let _second = super::neighbours::Proxy::start(Sort::Ours, "redis-2", &neighbours.control_plane);
        eventually("all of them can", || {
            neighbours.dial().expect("by either").echo();
            by_tls() > 0
        });
    }
}

#[test]
fn another_ca_at_once_is_refused_and_nobody_notices() {
    let neighbours = Neighbours::open(Sort::Ours, Sort::Envoy, &mesh("STRICT", "1d"));
    let mut lasting = neighbours.reaches("before");
    let mut other = mesh("STRICT", "1d");
    other["mtls"]["enabledBackend"] = "ca-2".into();
    other["mtls"]["backends"][0]["name"] = "ca-2".into();
    let (status, said) =
        crate::api::ask(&neighbours.control_plane.api, &format!("PUT /meshes/default {other}"));
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("mtls.enabledBackend") && said.contains("Disable mTLS first"), "{said}");
    lasting.echo();
    neighbours.dial().expect("as before").echo();
}

#[test]
fn a_control_plane_that_is_gone_and_comes_back_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("file:{}", folder.path().join("store.redb").display());
    let mut neighbours = Neighbours::without_proxies(&store, &mesh("STRICT", "1d"));
    neighbours.permit(&[(None, "Allow")]);
    neighbours.attach(Sort::Ours, Sort::Envoy);
    let mut connection = neighbours.reaches("before");
    let authority = neighbours.authority().certificate();
    neighbours.restart_control_plane(&store, |neighbours| {
        neighbours.dial().expect("proxies go on by themselves").echo();
    });
    neighbours.are_in_sync();
    assert_eq!(neighbours.authority().certificate(), authority, "the CA is kept");
    neighbours.dial().expect("with certificates of the new process").echo();
    connection.echo();
}

#[test]
fn a_ca_that_is_lost_takes_nobodys_certificate() {
    let mut neighbours = Neighbours::open(Sort::Ours, Sort::Ours, &mesh("STRICT", "1d"));
    for part in ["cert", "key"] {
        let path = format!("DELETE /meshes/default/secrets/default.ca-builtin-{part}-ca-1");
        let (status, body) = crate::api::ask(&neighbours.control_plane.api, &path);
        assert_eq!(status, 200, "{body}");
    }
    neighbours.dial().expect("who has a certificate keeps it").echo();
    // a proxy that starts now gets no certificate, and plaintext is not passed on
    neighbours.redis = None;
    neighbours.redis =
        Some(super::neighbours::Proxy::start(Sort::Ours, "redis-1", &neighbours.control_plane));
    neighbours.control_plane.program.awaits_text(0, "default.ca-builtin-cert-ca-1");
    assert!(neighbours.dial().is_none());
    if let Ok(mut plain) = std::net::TcpStream::connect(("127.0.0.1", neighbours.inbound)) {
        let _ = plain.write_all(b"hello\n");
        assert!(!greets(&neighbours));
    }
}
