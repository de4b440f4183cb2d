//! Zone egress, which is ours: it terminates the mesh's TLS, checks who may leave, and dials a service outside by TLS.

use serde_json::{Value, json};

use super::neighbours::{Proxy, Sort};
use super::outside::{DB, put_authority, said};
use super::stranger::{Authority, Backwards};
use crate::api;
use crate::backend::free_ports;
use crate::program::eventually;
use crate::store::ControlPlane;

/// Client, egress and control plane.
struct Way {
    control_plane: ControlPlane,
    web: Proxy,
    egress: Proxy,
    outbound: u16,
}

fn mesh(is_closed: bool) -> Value {
    json!({ "type": "Mesh", "name": "default",
            "mtls": { "enabledBackend": "ca-1", "backends": [{ "name": "ca-1", "type": "builtin" }] },
            "routing": { "zoneEgress": true, "defaultForbidMeshExternalServiceAccess": is_closed } })
}

impl Way {
    fn start(client: Sort, at: u16, certificate: &str, key: &str) -> Self {
        let [outbound, own, leaves] = free_ports();
        let control_plane = ControlPlane::start("memory", &[]);
        let documents = [
            ("/meshes/default", mesh(false)),
            (
                "/zoneegresses/ze",
                json!({ "type": "ZoneEgress", "name": "ze", "networking": { "address": "127.0.0.1", "port": leaves } }),
            ),
            (
                "/meshes/default/dataplanes/web-1",
                json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
                    "address": "127.0.0.1",
                    "inbound": [{ "port": own, "tags": { "kuma.io/service": "web" } }],
                    "outbound": [{ "port": outbound, "backendRef": { "kind": "MeshExternalService", "name": "db", "port": 5432 } }],
                } }),
            ),
            (
                "/meshes/default/meshexternalservices/db",
                json!({ "type": "MeshExternalService", "mesh": "default", "name": "db", "spec": {
                    "match": { "type": "HostnameGenerator", "port": 5432, "protocol": "tcp" },
                    "endpoints": [{ "address": "127.0.0.1", "port": at }],
                    "tls": { "enabled": true, "verification": {
                        "serverName": DB,
                        "caCert": { "secret": "db-ca" },
                        "clientCert": { "inlineString": certificate },
                        "clientKey": { "inlineString": key },
                    } },
                } }),
            ),
        ];
        for (path, document) in &documents {
            control_plane.put(path, document);
        }
        let egress = Proxy::start(Sort::Ours, "ZoneEgress/ze", &control_plane);
        let web = Proxy::start(client, "web-1", &control_plane);
        Self { control_plane, web, egress, outbound }
    }

    fn logs(&self) -> String {
        format!("{}\n----\n{}", self.web.log(), self.egress.log())
    }

    fn reaches(&self, what: &str) {
        eventually(&format!("{what}\n{}", self.logs()), || said(self.outbound).as_deref() == Some("olleh\n"));
    }

    fn is_kept_out(&self, what: &str) {
        eventually(what, || said(self.outbound).is_none());
    }
}

#[test]
fn who_may_leave_the_mesh_reaches_the_outside_by_tls_and_nobody_else_does() {
    for client in [Sort::Ours, Sort::Envoy] {
        println!("{client:?}");
        let (outside, clients) = (Authority::another(), Authority::another());
        let [at] = free_ports();
        let _service = Backwards::start(at, &outside.issues("db", &[format!("DNS:{DB}")], 1), Some(&clients));
        let shown = clients.signs("web", &[], 1).text();
        let (certificate, key) = shown.split_at(shown.find("-----BEGIN PRIVATE KEY-----").unwrap());
        let way = Way::start(client, at, certificate, key);
        way.is_kept_out("nobody vouches for the service yet");
        put_authority(&way.control_plane, &outside);
        way.reaches("out of the mesh, by TLS twice");
        eventually("the egress says who left, and how", || {
            let log = way.egress.log();
            let mut lines = log.lines().filter(|line| line.contains("backend_tls=1.3"));
            lines.any(|line| line.contains("peer=spiffe://default/web"))
        });
        let report = api::json(&way.control_plane.api, "/_identity");
        let has = |uri: &str| {
            report["proxies"]
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["uris"][0] == uri && !row["serial"].is_null())
        };
        assert!(has("spiffe://default/zone-egress") && has("spiffe://default/web"), "{report:#}");
        put_authority(&way.control_plane, &clients);
        way.is_kept_out("another authority");
        put_authority(&way.control_plane, &outside);
        way.reaches("the first one again");
        way.control_plane.put("/meshes/default", &mesh(true));
        way.is_kept_out("the mesh lets nobody out");
        eventually("the egress says so", || way.egress.log().contains("ended=denied"));
        way.control_plane.put("/meshes/default", &mesh(false));
        way.reaches("the mesh lets everybody out again");
    }
}
