//! Proxies with identities of their workloads, by a MeshIdentity.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::neighbours::{Neighbours, Sort};
use super::of_every_pair;
use crate::api::ask;
use crate::connection::Connection;
use crate::program::{Program, eventually, meshtcp};

const WEB: &str = "spiffe://default.default.mesh.local/workload/web";

/// Permission for proxies with the label `app: redis`, or for all inbounds.
fn permission(is_for_redis: bool, rules: &Value) -> Value {
    let target = match is_for_redis {
        true => json!({ "kind": "Dataplane", "labels": { "app": "redis" } }),
        false => json!({ "kind": "Mesh" }),
    };
    json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "p",
            "spec": { "targetRef": target, "rules": [{ "default": rules }] } })
}

fn matching(kind: &str, id: &str) -> Value {
    json!([{ "spiffeID": { "type": kind, "value": id } }])
}

#[test]
fn rules_name_who_is_let_in() {
    of_every_pair(|client, server| {
        let neighbours = Neighbours::of_workloads(client, server);
        let put = |name: &str, is_for_redis: bool, rules: &Value| {
            let mut document = permission(is_for_redis, rules);
            document["name"] = name.into();
            neighbours.put(&format!("/meshes/default/meshtrafficpermissions/{name}"), &document);
        };
        neighbours.is_kept_out("without a rule nobody is let in");
        put("web", true, &json!({ "allow": matching("Exact", WEB) }));
        neighbours.reaches("web is let in");
        put(
            "web",
            true,
            &json!({ "allow": matching("Exact", "spiffe://default.default.mesh.local/workload/api") }),
        );
        neighbours.is_kept_out("another one is let in");
        put(
            "web",
            false,
            &json!({ "allow": matching("Prefix", "spiffe://default.default.mesh.local/workload") }),
        );
        neighbours.reaches("everybody of the domain is let in");
        put("not-web", true, &json!({ "deny": matching("Exact", WEB) }));
        neighbours.is_kept_out("who is denied is denied, whatever else allows it");
    });
}

#[test]
fn an_identity_that_loses_its_ca_keeps_what_it_issued() {
    let neighbours = Neighbours::of_workloads(Sort::Ours, Sort::Ours);
    neighbours.put(
        "/meshes/default/meshtrafficpermissions/p",
        &permission(
            false,
            &json!({ "allow": matching("Prefix", "spiffe://default.default.mesh.local/workload") }),
        ),
    );
    neighbours.reaches("web is let in");
    let is_provided = |status: &str| {
        let identity =
            crate::api::json(&neighbours.control_plane.api, "/meshes/default/meshidentities/identity");
        let conditions = identity["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|it| it["type"] == "Provider" && it["status"] == status)
    };
    eventually("the identity is provided", || is_provided("True"));
    eventually("plaintext is not taken any more", || !hears(&neighbours));
    let json = |path: &str| crate::api::json(&neighbours.control_plane.api, path);
    eventually("the service ends TLS", || {
        json("/meshes/default/meshservices/redis")["status"]["tls"]["status"] == "Ready"
    });
    let insight = json("/meshes/default/service-insights/redis");
    assert_eq!(insight["issuedBackends"], json!({ "MeshIdentity identity": 1 }), "{insight}");
    let issued = json("/mesh-insights/default")["mTLS"]["issuedBackends"]["MeshIdentity identity"].clone();
    assert_eq!(issued["total"], 2, "{issued}");
    let path = "DELETE /meshes/default/secrets/identity-private-key";
    let (status, body) = ask(&neighbours.control_plane.api, path);
    assert_eq!(status, 200, "{body}");
    eventually("somebody says so", || is_provided("False"));
    neighbours.dial().expect("with the last good certificates").echo();
    assert!(!hears(&neighbours), "never in plaintext");
}

/// Returns `true` if a plaintext client at the inbound gets data.
fn hears(neighbours: &Neighbours) -> bool {
    let mut plain = neighbours.plain();
    plain.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    plain.write_all(b"hello\n").unwrap();
    let mut heard = String::new();
    // the end may come as a reset
    let _ = plain.read_to_string(&mut heard);
    heard.contains("redis")
}

#[test]
fn a_folder_with_an_identity_works_as_it_is() {
    let [outbound, own, inbound, application] = crate::backend::free_ports();
    crate::backend::serve(application, "redis");
    let folder = tempfile::tempdir().unwrap();
    let mesh = format!(
        "type: Mesh
name: default
meshServices: {{mode: Exclusive}}
---
type: MeshIdentity
mesh: default
name: identity
spec:
  selector: {{dataplane: {{matchLabels: {{}}}}}}
  provider: {{type: Bundled, bundled: {{insecureAllowSelfSigned: true, autogenerate: {{enabled: true}}}}}}
---
type: MeshTrafficPermission
mesh: default
name: p
spec:
  rules: [{{default: {{allow: [{{spiffeID: {{type: Exact, value: '{WEB}'}}}}]}}}}]
---
type: MeshService
mesh: default
name: redis
spec:
  selector: {{dataplaneTags: {{kuma.io/service: redis}}}}
  ports: [{{port: 6379, targetPort: {inbound}, appProtocol: tcp}}]
---
type: Dataplane
mesh: default
name: redis-1
labels: {{kuma.io/workload: redis}}
networking:
  address: 127.0.0.1
  inbound: [{{port: {inbound}, servicePort: {application}, tags: {{kuma.io/service: redis, kuma.io/protocol: tcp}}}}]
---
type: Dataplane
mesh: default
name: web-1
labels: {{kuma.io/workload: web}}
networking:
  address: 127.0.0.1
  inbound: [{{port: {own}, tags: {{kuma.io/service: web, kuma.io/protocol: tcp}}}}]
  outbound: [{{port: {outbound}, backendRef: {{kind: MeshService, name: redis, port: 6379}}}}]
"
    );
    std::fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    let up =
        Program::start(meshtcp(["up", folder.path().to_str().unwrap(), "--zone", "default", "--log", "-"]));
    let mut reached = None;
    eventually("web reaches redis", || {
        reached = Connection::open(outbound);
        reached.is_some()
    });
    reached.unwrap().echo();
    eventually("by TLS, as who it is", || {
        let printed = up.printed();
        printed.lines().any(|line| line.contains("listener=inbound") && line.contains(WEB))
    });
    assert!(up.printed().contains("is made here, and lives as long as this process"), "{}", up.printed());
    let mut plain = std::net::TcpStream::connect(("127.0.0.1", inbound)).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    plain.write_all(b"hello\n").unwrap();
    let mut heard = String::new();
    // the end may come as a reset
    let _ = plain.read_to_string(&mut heard);
    assert_eq!(heard, "", "nobody is heard in plaintext");
}
