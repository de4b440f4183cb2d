//! Connections that the ingress and egress of a zone accept, and those that they refuse.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::of_every_mix;
use super::places::{Places, client, redis, server};
use crate::api::ask;
use crate::backend::free_ports;
use crate::connection::{Connection, reaches};
use crate::identity::neighbours::Sort;
use crate::program::{Program, eventually, meshtcp};
use crate::store::ControlPlane;

fn to_redis(places: &Places) -> Value {
    json!({ "port": places.outbound, "tags": { "kuma.io/service": "redis" } })
}

/// Data that a client receives that sends something to the ingress, and then nothing.
fn hears(port: u16, says: &[u8]) -> String {
    let mut opened = None;
    eventually("the gate listens", || {
        opened = TcpStream::connect(("127.0.0.1", port)).ok();
        opened.is_some()
    });
    let mut connection = opened.unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // it may have been closed already
    let _ = connection.write_all(says);
    let mut heard = Vec::new();
    // the end may come as a reset
    let _ = connection.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

/// Returns `true` if a TLS session begins with the server that a server name asks for.
fn begins(port: u16, server_name: &str) -> bool {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", server_name])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).contains("BEGIN CERTIFICATE")
}

#[test]
fn an_ingress_passes_on_whom_it_knows_and_closes_all_others() {
    for gate in [Sort::Ours, Sort::Envoy] {
        let mut places = Places::of(&json!({}));
        places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
        places.west.attach(Sort::Ours, "redis-w");
        places.open(gate);
        eventually("a session with redis begins", || begins(places.gate, "redis{mesh=default}"));
        assert!(begins(places.gate, "REDIS{mesh=default}"), "names are compared without regard to case");
        assert!(!begins(places.gate, "postgres{mesh=default}"));
        assert_eq!(hears(places.gate, b"GET / HTTP/1.1\r\n\r\n"), "");
    }
}

#[test]
fn an_ingress_that_offers_nothing_closes_everybody_and_an_envoy_says_who_it_is_before() {
    for gate in [Sort::Ours, Sort::Envoy] {
        let mut places = Places::of(&json!({}));
        places.open(gate);
        let who = json!({ "proxy": ".zi-west", "zone": "west" });
        let wanted = if gate == Sort::Envoy { who } else { Value::Null };
        let heard = hears(places.gate, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(serde_json::from_str::<Value>(&heard).unwrap_or_default(), wanted, "{gate:?}: {heard}");
        assert!(!begins(places.gate, "redis{mesh=default}"), "{gate:?}");
        if gate == Sort::Ours {
            // an Envoy waits for what comes first
            assert_eq!(hears(places.gate, b""), "");
            eventually("each has its line", || {
                let log = places.west.log("ZoneIngress/zi-west");
                log.lines().filter(|line| line.contains("ended=no-backend")).count() == 3
            });
        }
    }
}

#[test]
fn an_ingress_without_a_public_address_is_dialled_by_nobody() {
    let mut places = Places::of(&json!({}));
    places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
    places.west.attach(Sort::Ours, "redis-w");
    places.west.put(&places.ingress(None));
    places.west.attach(Sort::Ours, "ZoneIngress/zi-west");
    places.carry(1);
    places.east.put(&client("default", "web-1", &to_redis(&places)));
    places.east.attach(Sort::Ours, "web-1");
    assert!(Connection::open(places.outbound).is_none());
    let mut public = places.west.get("/zoneingresses/zi-west");
    public["networking"] = places.ingress(Some(places.gate))["networking"].clone();
    places.copy(public);
    reaches(places.outbound, &["west"]);
}

#[test]
fn an_ingress_is_dialled_at_an_address_of_ipv6() {
    of_every_mix(|(dials, gate, serves)| {
        let mut places = Places::of(&json!({}));
        places.gate_address = "::1";
        places.west.put(&server("default", "redis-w", "west", &[redis("v1")]));
        places.west.attach(serves, "redis-w");
        places.open(gate);
        places.carry(1);
        places.east.put(&client("default", "web-1", &to_redis(&places)));
        places.east.attach(dials, "web-1");
        reaches(places.outbound, &["west"]);
        places.west.kill("ZoneIngress/zi-west");
        reaches(places.outbound, &["-"]);
        // nobody there is mistaken for whoever has the same port over IPv4
        places.gate_address = "127.0.0.1";
        places.open(gate);
        reaches(places.outbound, &["-"]);
        places.carry(1);
        reaches(places.outbound, &["west"]);
    });
}

#[test]
fn what_is_advertised_has_an_address_and_a_port() {
    let places = Places::of(&json!({}));
    for (missing, field) in [("advertisedPort", "advertisedAddress"), ("advertisedAddress", "advertisedPort")]
    {
        let mut ingress = places.ingress(Some(places.gate));
        ingress["networking"].as_object_mut().unwrap().remove(missing);
        let (status, body) =
            ask(&places.west.control_plane.api, &format!("PUT /zoneingresses/zi-west {ingress}"));
        assert_eq!(status, 400, "{body}");
        let other = if field == "advertisedAddress" { "advertisedPort" } else { "advertisedAddress" };
        assert!(body.contains(&format!("has to be defined with {field}")), "{other}: {body}");
    }
}

#[test]
fn an_ingress_attaches_by_a_token_of_its_zone_and_sort() {
    let west = ControlPlane::start("memory", &["--zone", "west", "--dataplane-auth", "token"]);
    let [gate] = free_ports();
    let networking = json!({ "address": "127.0.0.1", "port": gate });
    west.put(
        "/zoneingresses/zi-west",
        &json!({ "type": "ZoneIngress", "name": "zi-west", "networking": networking }),
    );
    let folder = tempfile::tempdir().unwrap();
    let attach = |zone: &str, scope: &str| {
        let wanted = json!({ "zone": zone, "scope": [scope], "validFor": "1h" });
        let (status, token) = ask(&west.api, &format!("POST /tokens/zone {wanted}"));
        assert_eq!(status, 200, "{token}");
        let file = folder.path().join(format!("{zone}-{scope}"));
        std::fs::write(&file, token).unwrap();
        let who = ["proxy", "--proxy-type", "ingress", "--name", "zi-west", "--control-plane", &west.xds];
        Program::start(meshtcp(who.into_iter().chain(["--token-file", file.to_str().unwrap()])))
    };
    for (zone, scope, why) in [
        ("west", "egress", "ingress is out of token's scope: egress"),
        ("east", "ingress", "zone from requestor: west is different than in token: east"),
    ] {
        attach(zone, scope).awaits_text(0, why);
    }
    let ingress = attach("west", "ingress");
    ingress.awaits_text(0, "connected to the control plane");
}

#[test]
fn what_is_known_of_an_ingress_is_told() {
    let mut places = Places::of(&json!({}));
    places.west.put(&server("default", "redis-w", "west", &[redis("v1"), redis("v1")]));
    places.west.attach(Sort::Ours, "redis-w");
    places.open(Sort::Ours);
    places.carry(1);
    let ingress = places.west.get("/zoneingresses/zi-west");
    assert_eq!(
        ingress["availableServices"],
        json!([{ "mesh": "default", "instances": 2, "tags": {
            "kuma.io/service": "redis", "kuma.io/protocol": "tcp", "kuma.io/zone": "west", "version": "v1",
        } }])
    );
    let overview = places.west.get("/zoneingresses/zi-west/_overview");
    let attached = overview["zoneIngressInsight"]["subscriptions"].as_array().map_or(0, Vec::len);
    assert_eq!(attached, 1, "{overview:#}");
    places.west.ends_proxies();
    eventually("it is said to be away", || places.west.proxy("ZoneIngress/zi-west")["connection"].is_null());
    // a server that was deleted is not dialled any more
    places.west.delete(&json!({ "type": "Dataplane", "mesh": "default", "name": "redis-w" }));
    eventually("nothing is offered", || {
        let ingress = places.west.get("/zoneingresses/zi-west");
        ingress["availableServices"].as_array().is_none_or(Vec::is_empty)
    });
}
