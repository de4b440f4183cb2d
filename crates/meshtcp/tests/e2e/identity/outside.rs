//! Service outside the mesh that requires TLS and a client certificate: the parts that proxies need come from a secret,
//! the document and a file.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::neighbours::{Proxy, Sort};
use super::stranger::{Authority, Backwards};
use super::two_at_a_time;
use crate::api;
use crate::backend::free_ports;
use crate::program::{PATIENCE, eventually};
use crate::store::ControlPlane;

pub(super) const DB: &str = "db.example.com";
const SECRET: &str = "/meshes/default/secrets/db-ca";

/// Answer of the service behind an outbound to a line.
pub(super) fn said(outbound: u16) -> Option<String> {
    let mut client = TcpStream::connect(("127.0.0.1", outbound)).ok()?;
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"hello\n").ok()?;
    let mut said = [0; 6];
    client.read_exact(&mut said).ok()?;
    Some(String::from_utf8_lossy(&said).into_owned())
}

/// Stores the CA of the service as a secret.
pub(super) fn put_authority(control_plane: &ControlPlane, authority: &Authority) {
    let data = STANDARD.encode(authority.certificate());
    control_plane.put(SECRET, &json!({ "type": "Secret", "mesh": "default", "name": "db-ca", "data": data }));
}

/// Sidecar of 2.8, which dials services outside the mesh itself, and a control plane.
struct Town {
    control_plane: ControlPlane,
    proxy: Proxy,
    outbound: u16,
}

impl Town {
    fn start(sort: Sort, at: u16, certificate: &str, key_file: &str) -> Self {
        let [outbound, own] = free_ports();
        let control_plane = ControlPlane::start("memory", &["--profile", "2.8"]);
        let dataplane = json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": own, "tags": { "kuma.io/service": "web" } }],
            "outbound": [{ "port": outbound, "tags": { "kuma.io/service": "ledger" } }],
        } });
        let db = json!({ "type": "MeshExternalService", "mesh": "default", "name": "db", "spec": {
            "match": { "type": "HostnameGenerator", "port": 5432, "protocol": "tcp" },
            "endpoints": [{ "address": "127.0.0.1", "port": at }],
            "tls": { "enabled": true, "verification": {
                "serverName": DB,
                "caCert": { "secret": "db-ca" },
                "clientCert": { "inlineString": certificate },
                "clientKey": { "file": key_file },
            } },
        } });
        let route = json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "out", "spec": {
            "targetRef": { "kind": "Mesh" },
            "to": [{ "targetRef": { "kind": "MeshService", "name": "ledger" }, "rules": [{ "default": {
                "backendRefs": [{ "kind": "MeshExternalService", "name": "db" }],
            } }] }],
        } });
        control_plane.put("/meshes/default/dataplanes/web-1", &dataplane);
        control_plane.put("/meshes/default/meshexternalservices/db", &db);
        control_plane.put("/meshes/default/meshtcproutes/out", &route);
        let proxy = Proxy::start(sort, "web-1", &control_plane);
        Self { control_plane, proxy, outbound }
    }

    fn believes(&self, authority: &Authority) {
        put_authority(&self.control_plane, authority);
    }

    fn reaches(&self, what: &str) {
        eventually(&format!("{what}\n{}", self.proxy.log()), || {
            said(self.outbound).as_deref() == Some("olleh\n")
        });
    }

    fn is_kept_out(&self, what: &str) {
        eventually(what, || said(self.outbound).is_none());
    }

    /// Reason, from the API, why a part cannot be loaded; `None`: it can.
    fn why(&self, part: &str) -> Option<String> {
        let report = api::json(&self.control_plane.api, "/_identity");
        let row = report["outside"].as_array()?.iter().find(|row| row["part"] == part)?;
        Some(row["why"].as_str().unwrap_or_default().to_owned())
    }
}

#[test]
fn what_a_service_outside_the_mesh_asks_for_reaches_whoever_dials_it_and_is_followed() {
    for sort in [Sort::Ours, Sort::Envoy] {
        println!("{sort:?}");
        let (outside, clients, folder) =
            (Authority::another(), Authority::another(), tempfile::tempdir().unwrap());
        let [at] = free_ports();
        let _service = Backwards::start(at, &outside.issues("db", &[format!("DNS:{DB}")], 1), Some(&clients));
        let shown = clients.signs("web", &[], 1).text();
        let key_at = shown.find("-----BEGIN PRIVATE KEY-----").unwrap();
        let (certificate, key) = shown.split_at(key_at);
        let file = folder.path().join("web.key");
        std::fs::write(&file, key).unwrap();
        let town = Town::start(sort, at, certificate, file.to_str().unwrap());

        eventually("it is told what is missing", || {
            town.why("authority").is_some_and(|why| why.contains("no Secret `db-ca`"))
        });
        town.is_kept_out("nobody is dialled whom nobody vouches for");
        town.believes(&outside);
        town.reaches("all that it takes is there");
        town.believes(&clients);
        town.is_kept_out("another authority");
        town.believes(&outside);
        town.reaches("the first one again");

        std::fs::write(&file, "nothing").unwrap();
        town.is_kept_out("a key that is none");
        eventually("it is told", || {
            town.why("client certificate").is_some_and(|why| why.contains("no private key"))
        });
        std::fs::write(&file, key).unwrap();
        town.reaches("the key is there again");

        let (status, _) = api::ask(&town.control_plane.api, &format!("DELETE {SECRET}"));
        assert_eq!(status, 200);
        town.is_kept_out("nobody vouches for it any more");
        let dump: Value = api::json(&town.control_plane.api, "/meshes/default/dataplanes/web-1/_config");
        let all = format!("{dump}{}{}", town.proxy.log(), town.control_plane.program.printed());
        let secret = key.lines().nth(1).unwrap();
        assert!(!all.contains(secret) && !all.contains(&STANDARD.encode(key)), "a key was told");
    }
}

/// What a mode of verification comes to.
struct Mode {
    name: &'static str,
    /// Which services it reaches: one that is what it should be, one of another name, one that another authority signed, which all want
    /// a certificate of the client; and one that is of another name and authority, and wants none.
    reaches: [bool; 4],
    /// Whether the server name is asked for, of a service that is dialled at an IP address.
    asks_for_name: bool,
}

const MODES: [Mode; 4] = [
    Mode { name: "Secured", reaches: [true, false, false, false], asks_for_name: true },
    Mode { name: "SkipSAN", reaches: [true, true, false, false], asks_for_name: false },
    Mode { name: "SkipCA", reaches: [true, true, true, true], asks_for_name: true },
    // no certificate is shown
    Mode { name: "SkipAll", reaches: [false, false, false, true], asks_for_name: false },
];

/// A service that reads what comes first, and ends.
fn hears_hello(port: u16) -> Arc<Mutex<Vec<u8>>> {
    let (heard, listener) =
        (Arc::<Mutex<Vec<u8>>>::default(), TcpListener::bind(("127.0.0.1", port)).unwrap());
    let into = Arc::clone(&heard);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut hello = [0; 2048];
            let read = client.read(&mut hello).unwrap_or(0);
            into.lock().unwrap().extend_from_slice(&hello[..read]);
        }
    });
    heard
}

/// Who dials the outside: a sidecar of 2.8 itself, or the egress of a later one.
#[derive(Clone, Copy, Debug)]
struct Dials {
    sidecar: Sort,
    egress: Option<Sort>,
}

/// A sidecar that has an outbound for each service outside, and what is needed for it.
struct Outwards {
    control_plane: ControlPlane,
    proxies: Vec<Proxy>,
}

impl Outwards {
    /// `services`: the outbound, the port of the service, and the mode of verification of each.
    fn start(who: Dials, services: &[(u16, u16, &str)], shown: &str, vouches: &Authority) -> Self {
        let profile: &[&str] = if who.egress.is_some() { &[] } else { &["--profile", "2.8"] };
        let control_plane = ControlPlane::start("memory", profile);
        let [own, leaves] = free_ports();
        if who.egress.is_some() {
            control_plane.put("/meshes/default", &super::neighbours::mesh("STRICT", "1d"));
            let networking = json!({ "address": "127.0.0.1", "port": leaves });
            let egress = json!({ "type": "ZoneEgress", "name": "ze", "networking": networking });
            control_plane.put("/zoneegresses/ze", &egress);
        }
        put_authority(&control_plane, vouches);
        let (certificate, key) = shown.split_at(shown.find("-----BEGIN PRIVATE KEY-----").unwrap());
        let (mut outbounds, mut to) = (Vec::new(), Vec::new());
        for (door, port, mode) in services {
            let name = format!("db-{door}");
            let db = json!({ "type": "MeshExternalService", "mesh": "default", "name": name, "spec": {
                "match": { "type": "HostnameGenerator", "port": 5432, "protocol": "tcp" },
                "endpoints": [{ "address": "127.0.0.1", "port": port }],
                "tls": { "enabled": true, "verification": {
                    "mode": mode,
                    "serverName": DB,
                    "caCert": { "secret": "db-ca" },
                    "clientCert": { "inlineString": certificate },
                    "clientKey": { "inlineString": key },
                } },
            } });
            control_plane.put(&format!("/meshes/default/meshexternalservices/{name}"), &db);
            let backend = json!({ "kind": "MeshExternalService", "name": name });
            if who.egress.is_some() {
                let mut backend = backend;
                backend["port"] = 5432.into();
                outbounds.push(json!({ "port": door, "backendRef": backend }));
                continue;
            }
            outbounds.push(json!({ "port": door, "tags": { "kuma.io/service": format!("out-{door}") } }));
            to.push(json!({ "targetRef": { "kind": "MeshService", "name": format!("out-{door}") },
                            "rules": [{ "default": { "backendRefs": [backend] } }] }));
        }
        if !to.is_empty() {
            let route = json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "out",
                                "spec": { "targetRef": { "kind": "Mesh" }, "to": to } });
            control_plane.put("/meshes/default/meshtcproutes/out", &route);
        }
        let dataplane = json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
            "address": "127.0.0.1",
            "inbound": [{ "port": own, "tags": { "kuma.io/service": "web" } }],
            "outbound": outbounds,
        } });
        control_plane.put("/meshes/default/dataplanes/web-1", &dataplane);
        let egress = who.egress.map(|sort| Proxy::start(sort, "ZoneEgress/ze", &control_plane));
        let sidecar = Proxy::start(who.sidecar, "web-1", &control_plane);
        Self { control_plane, proxies: egress.into_iter().chain([sidecar]).collect() }
    }

    fn logs(&self) -> String {
        let logs: Vec<String> = self.proxies.iter().map(Proxy::log).collect();
        format!("{}\n----\n{}", logs.join("\n----\n"), self.control_plane.program.printed())
    }
}

#[test]
fn each_mode_of_verification_reaches_what_it_says_and_nothing_else() {
    let (outside, other, clients) = (Authority::another(), Authority::another(), Authority::another());
    let named = |authority: &Authority, name: &str| authority.issues(name, &[format!("DNS:{name}")], 1);
    let ports: [u16; 4] = free_ports();
    let _services = [
        (named(&outside, DB), Some(&clients)),
        (named(&outside, "other.example.com"), Some(&clients)),
        (named(&other, DB), Some(&clients)),
        (named(&other, "other.example.com"), None),
    ]
    .iter()
    .zip(ports)
    .map(|((certificate, clients), port)| Backwards::start(port, certificate, *clients))
    .collect::<Vec<_>>();
    let shown = clients.signs("web", &[], 1).text();
    let sorts = [Sort::Ours, Sort::Envoy];
    let by_egress = sorts
        .iter()
        .flat_map(|sidecar| sorts.map(|egress| Dials { sidecar: *sidecar, egress: Some(egress) }));
    let all: Vec<Dials> =
        sorts.map(|sidecar| Dials { sidecar, egress: None }).into_iter().chain(by_egress).collect();
    two_at_a_time(&all, |who| {
        println!("{who:?}");
        let (doors, listens): ([[u16; 5]; 4], [u16; 4]) =
            (std::array::from_fn(|_| free_ports()), free_ports());
        let hellos = listens.map(hears_hello);
        let mut services = Vec::new();
        for ((mode, doors), hello) in MODES.iter().zip(doors).zip(listens) {
            let ports = ports.into_iter().chain([hello]);
            services.extend(doors.into_iter().zip(ports).map(|(door, port)| (door, port, mode.name)));
        }
        let outwards = Outwards::start(who, &services, &shown, &outside);
        let is_served = |door: u16| said(door).as_deref() == Some("olleh\n");
        let reaches_only = |wanted: bool| {
            let rows = MODES.iter().zip(doors);
            rows.flat_map(|(mode, doors)| {
                doors.into_iter().zip(mode.reaches).map(move |row| (mode.name, row))
            })
            .filter(move |(_, (_, is_reached))| *is_reached == wanted)
        };
        for (mode, (door, _)) in reaches_only(true) {
            println!("{mode} reaches {door}");
            eventually(&format!("{who:?} {mode} reaches {door}"), || is_served(door));
        }
        for (mode, (door, _)) in reaches_only(false) {
            assert!(!is_served(door), "{who:?} {mode} {door}\n{}", outwards.logs());
        }
        for ((mode, doors), hello) in MODES.iter().zip(doors).zip(hellos) {
            eventually("the service is dialled", || {
                assert_eq!(said(doors[4]), None);
                !hello.lock().unwrap().is_empty()
            });
            let asks = hello.lock().unwrap().windows(DB.len()).any(|text| text == DB.as_bytes());
            assert_eq!(asks, mode.asks_for_name, "{who:?} {}", mode.name);
        }
    });
}
