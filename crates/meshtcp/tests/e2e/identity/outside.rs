//! Service outside the mesh that requires TLS and a client certificate: the parts that proxies need come from a secret,
//! the document and a file.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::neighbours::{Proxy, Sort};
use super::stranger::{Authority, Backwards};
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
        let _service = Backwards::start(at, &outside.issues("db", &[format!("DNS:{DB}")], 1), &clients);
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
