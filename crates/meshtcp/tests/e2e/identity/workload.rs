//! Proxies with identities of their workloads, by a MeshIdentity.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::neighbours::{Neighbours, Sort};
use super::of_every_pair;
use crate::api::ask;
use crate::program::eventually;

const WEB: &str = "spiffe://default.default.mesh.local/workload/web";

/// A permission for whoever has the label `app: redis`, or for everybody's inbounds.
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

/// Whether a plaintext client at the inbound is heard.
fn hears(neighbours: &Neighbours) -> bool {
    let mut plain = neighbours.plain();
    plain.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    plain.write_all(b"hello\n").unwrap();
    let mut heard = String::new();
    // the end may come as a reset
    let _ = plain.read_to_string(&mut heard);
    heard.contains("redis")
}
