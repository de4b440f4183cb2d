//! Proxies with identities of their workloads, by a MeshIdentity.

use std::io::{Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::neighbours::{Neighbours, Proxy, Sort};
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

/// An identity whose authority is in Secrets, which are there or not.
fn by_secrets() -> Value {
    let secret = |name: &str| json!({ "type": "Secret", "secretRef": { "kind": "Secret", "name": name } });
    json!({ "selector": { "dataplane": { "matchLabels": {} } }, "provider": { "type": "Bundled", "bundled": {
        "insecureAllowSelfSigned": true,
        "ca": { "certificate": secret("ca"), "privateKey": secret("ca-key") },
    } } })
}

/// A mesh in which `web` dials `redis` and `bank`, which is outside of it; without identities. Gives the outbound to `bank`.
fn with_bank() -> (Neighbours, u16) {
    let [to_bank, bank] = crate::backend::free_ports();
    crate::backend::serve(bank, "bank");
    let neighbours = Neighbours::of_services();
    neighbours.put(
        "/meshes/default/meshexternalservices/bank",
        &json!({ "type": "MeshExternalService", "mesh": "default", "name": "bank", "spec": {
            "match": { "type": "HostnameGenerator", "port": 443, "protocol": "tcp" },
            "endpoints": [{ "address": "127.0.0.1", "port": bank }],
        } }),
    );
    let path = "/meshes/default/dataplanes/web-1";
    let mut web = crate::api::json(&neighbours.control_plane.api, path);
    for computed in ["creationTime", "modificationTime", "kri"] {
        web.as_object_mut().unwrap().remove(computed);
    }
    let backend = json!({ "kind": "MeshExternalService", "name": "bank", "port": 443 });
    let outbounds = web["networking"]["outbound"].as_array_mut().unwrap();
    outbounds.push(json!({ "port": to_bank, "backendRef": backend }));
    neighbours.put(path, &web);
    (neighbours, to_bank)
}

/// Why a proxy is told nothing new, as the control plane says it.
fn notes(neighbours: &Neighbours, proxy: &str) -> String {
    let status = crate::api::json(&neighbours.control_plane.api, "/_status?what=proxies");
    let proxies = status["proxies"].as_array().cloned().unwrap_or_default();
    proxies.into_iter().find(|it| it["proxy"] == proxy).unwrap_or_default()["notes"].to_string()
}

#[test]
fn who_starts_under_an_identity_that_cannot_be_issued_speaks_to_nobody_until_it_can() {
    of_every_pair(|client, server| {
        let (mut neighbours, to_bank) = with_bank();
        neighbours.identify(&by_secrets());
        neighbours.redis = Some(Proxy::start(server, "redis-1", &neighbours.control_plane));
        neighbours.web = Some(Proxy::start(client, "web-1", &neighbours.control_plane));
        for proxy in ["default/redis-1", "default/web-1"] {
            eventually("the reason is told", || notes(&neighbours, proxy).contains("no Secret `ca`"));
        }
        let is_closed = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_err();
        let all_closed = || [neighbours.outbound, neighbours.inbound, to_bank].into_iter().all(is_closed);
        assert!(all_closed(), "nothing is carried, in plaintext least of all");
        let conditions = || {
            let path = "/meshes/default/meshidentities/identity";
            crate::api::json(&neighbours.control_plane.api, path)["status"]["conditions"].to_string()
        };
        eventually("it is said not to be ready", || conditions().contains("ProviderInitializationError"));
        assert!(all_closed(), "nor then");
        let ca = super::stranger::Authority::another();
        for (name, pem) in [("ca", ca.certificate()), ("ca-key", ca.key())] {
            let data = STANDARD.encode(pem);
            let secret = json!({ "type": "Secret", "mesh": "default", "name": name, "data": data });
            neighbours.put(&format!("/meshes/default/secrets/{name}"), &secret);
        }
        neighbours.put(
            "/meshes/default/meshtrafficpermissions/p",
            &permission(false, &json!({ "allow": matching("Exact", WEB) })),
        );
        neighbours.reaches("both prove who they are").echo();
        assert!(!hears(&neighbours), "plaintext is not taken");
    });
}

#[test]
fn who_runs_when_an_identity_cannot_be_issued_goes_on_as_it_was() {
    for sort in [Sort::Ours, Sort::Envoy] {
        let (mut neighbours, to_bank) = with_bank();
        neighbours.attach(sort, sort);
        let mut living = neighbours.reaches("in plaintext, as nobody asks for identities");
        neighbours.control_plane.put(
            "/meshes/default/meshidentities/identity",
            &json!({ "type": "MeshIdentity", "mesh": "default", "name": "identity", "spec": by_secrets() }),
        );
        for proxy in ["default/redis-1", "default/web-1"] {
            eventually("the reason is told", || notes(&neighbours, proxy).contains("no Secret `ca`"));
        }
        living.echo();
        neighbours.reaches("as before").echo();
        if sort == Sort::Ours {
            assert_eq!(Connection::open(to_bank).map(|it| it.backend).as_deref(), Some("bank"));
        }
        let path = "DELETE /meshes/default/meshidentities/identity";
        let (status, body) = ask(&neighbours.control_plane.api, path);
        assert_eq!(status, 200, "{body}");
        neighbours.are_in_sync();
        living.echo();
    }
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
