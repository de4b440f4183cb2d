//! Trust domains: the MeshIdentity that a proxy gets its certificate from, and the domains that it trusts.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::neighbours::{Neighbours, Sort, mesh};
use super::of_every_pair;
use super::stranger::{Authority, Server, dials};
use crate::api;
use crate::program::eventually;

/// MeshIdentity for proxies with these labels.
fn identity(name: &str, labels: &Value, domain: &str, bundled: &Value) -> Value {
    json!({ "type": "MeshIdentity", "mesh": "default", "name": name, "spec": {
        "selector": { "dataplane": { "matchLabels": labels } },
        "spiffeID": { "trustDomain": domain, "path": "/workload/{{ .Workload }}" },
        "provider": { "type": "Bundled", "bundled": bundled },
    } })
}

fn generated(may_sign_itself: bool) -> Value {
    json!({ "insecureAllowSelfSigned": may_sign_itself, "autogenerate": { "enabled": true } })
}

/// MeshTrust in an authority.
fn trust(name: &str, domain: &str, authorities: &[&Authority]) -> Value {
    let bundle =
        |authority: &&Authority| json!({ "type": "Pem", "pem": { "value": authority.certificate() } });
    let bundles: Vec<Value> = authorities.iter().map(bundle).collect();
    json!({ "type": "MeshTrust", "mesh": "default", "name": name,
            "spec": { "trustDomain": domain, "caBundles": bundles } })
}

/// Names in the certificate of a proxy.
fn names_of(neighbours: &Neighbours, proxy: &str) -> Vec<String> {
    let report = api::json(&neighbours.control_plane.api, "/_identity");
    let rows = report["proxies"].as_array().cloned().unwrap_or_default();
    let row = rows.into_iter().find(|row| row["name"] == proxy && !row["serial"].is_null());
    let uris = row.map(|row| row["uris"].as_array().cloned().unwrap_or_default()).unwrap_or_default();
    uris.iter().filter_map(|uri| uri.as_str().map(str::to_owned)).collect()
}

fn lets_in_everybody(neighbours: &Neighbours, domains: &[&str]) {
    let ids = domains
        .iter()
        .map(|domain| json!({ "spiffeID": { "type": "Prefix", "value": format!("spiffe://{domain}") } }));
    let allow: Vec<Value> = ids.collect();
    neighbours.put(
        "/meshes/default/meshtrafficpermissions/p",
        &json!({ "type": "MeshTrafficPermission", "mesh": "default", "name": "p",
                 "spec": { "targetRef": { "kind": "Mesh" }, "rules": [{ "default": { "allow": allow } }] } }),
    );
}

fn put_identity(neighbours: &Neighbours, document: &Value) {
    let name = document["name"].as_str().unwrap();
    neighbours.put(&format!("/meshes/default/meshidentities/{name}"), document);
}

#[test]
fn the_identity_that_asks_for_most_labels_counts_and_among_equals_the_first_by_name() {
    for server in [Sort::Ours, Sort::Envoy] {
        let neighbours = Neighbours::of_workloads(Sort::Ours, server);
        let of = |name: &str, labels: Value| {
            put_identity(&neighbours, &identity(name, &labels, &format!("{name}.example"), &generated(true)));
        };
        of("b-broad", json!({ "app": "redis" }));
        of("d-narrow", json!({ "app": "redis", "kuma.io/workload": "redis" }));
        let is_named = |name: &str, what: &str| {
            let wanted = [format!("spiffe://{name}.example/workload/redis")];
            eventually(what, || names_of(&neighbours, "redis-1") == wanted);
        };
        is_named("d-narrow", "two labels are more than one");
        of("c-as-narrow", json!({ "app": "redis", "kuma.io/workload": "redis" }));
        is_named("c-as-narrow", "the smaller name");
        let of_web = names_of(&neighbours, "web-1");
        assert_eq!(of_web, ["spiffe://default.default.mesh.local/workload/web"], "nothing else fits it");
        lets_in_everybody(&neighbours, &["default.default.mesh.local"]);
        neighbours.reaches("identities of two domains reach each other").echo();
    }
}

#[test]
fn an_authority_that_signed_itself_and_may_not_leaves_proxies_at_the_ca_of_the_mesh() {
    let mut exclusive = mesh("STRICT", "1d");
    exclusive["meshServices"] = json!({ "mode": "Exclusive" });
    let neighbours = Neighbours::open(Sort::Ours, Sort::Ours, &exclusive);
    put_identity(&neighbours, &identity("identity", &json!({}), "own.example", &generated(false)));
    let condition = || {
        let path = "/meshes/default/meshidentities/identity";
        let shown = api::json(&neighbours.control_plane.api, path);
        let conditions = shown["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|it| it["type"] == "Provider")
    };
    eventually("it is refused", || condition().is_some_and(|it| it["status"] == "False"));
    let said = condition().unwrap();
    assert!(said["message"].as_str().unwrap().contains("self-signed"), "{said}");
    eventually("the certificates are those of the mesh", || {
        names_of(&neighbours, "redis-1").first().is_some_and(|name| name == "spiffe://default/redis")
    });
    neighbours.reaches("as before").echo();
}

#[test]
fn who_has_the_ca_of_the_mesh_and_who_has_an_identity_believe_each_other_by_a_trust() {
    of_every_pair(|client, server| {
        let mut exclusive = mesh("STRICT", "1d");
        exclusive["meshServices"] = json!({ "mode": "Exclusive" });
        let neighbours = Neighbours::open(client, server, &exclusive);
        let authority = neighbours.authority();
        // redis moves to an identity, which brings a MeshTrust
        put_identity(
            &neighbours,
            &identity("identity", &json!({ "app": "redis" }), "own.example", &generated(true)),
        );
        eventually("redis has an identity", || {
            names_of(&neighbours, "redis-1") == ["spiffe://own.example/workload/redis"]
        });
        lets_in_everybody(&neighbours, &["default", "own.example"]);
        neighbours.reaches("from the mesh to the identity").echo();
        // the first of several names decides the domain of a client
        let of_two = ["spiffe://default/web", "spiffe://default/web-admin", "kuma://kuma.io/service/web"];
        let web = authority.signs("web", &of_two, 1);
        assert!(dials(neighbours.inbound, Some(&web), &[]).is_served(), "{}", neighbours.logs());
        let backwards =
            authority.signs("backwards", &["kuma://kuma.io/service/web", "spiffe://default/web"], 1);
        assert!(!dials(neighbours.inbound, Some(&backwards), &[]).is_served());
        let pretends = authority.signs("pretends", &["spiffe://own.example/workload/web"], 1);
        assert!(
            !dials(neighbours.inbound, Some(&pretends), &[]).is_served(),
            "the CA of the mesh is none of that domain"
        );
    });
}

#[test]
fn the_key_of_an_identity_is_changed_and_no_connection_fails() {
    let (first, second) = (Authority::another(), Authority::another());
    let neighbours = Neighbours::of_workloads(Sort::Ours, Sort::Envoy);
    let put = |name: &str, text: &str| {
        let data = STANDARD.encode(text);
        let path = format!("/meshes/default/secrets/{name}");
        neighbours
            .control_plane
            .put(&path, &json!({ "type": "Secret", "mesh": "default", "name": name, "data": data }));
    };
    let provided = |authority: &Authority| {
        put("own-ca", &authority.certificate());
        put("own-key", &authority.key());
    };
    let part = |name: &str| json!({ "type": "Secret", "secretRef": { "kind": "Secret", "name": name } });
    let bundled = json!({
        "insecureAllowSelfSigned": true,
        "ca": { "certificate": part("own-ca"), "privateKey": part("own-key") },
        "certificateParameters": { "expiry": "60s" },
    });
    provided(&first);
    put_identity(&neighbours, &identity("a-own", &json!({}), "own.example", &bundled));
    lets_in_everybody(&neighbours, &["own.example"]);
    for proxy in ["web-1", "redis-1"] {
        eventually("it has the identity", || {
            names_of(&neighbours, proxy).first().is_some_and(|name| name.starts_with("spiffe://own.example/"))
        });
    }
    eventually("there is a MeshTrust", || {
        api::ask(&neighbours.control_plane.api, "GET /meshes/default/meshtrusts/a-own").0 == 200
    });
    neighbours.are_in_sync();
    let mut lasting = neighbours.reaches("by the first");
    provided(&second);
    // proxies are told to trust the second CA before it signs anything
    let stranger = second.signs("stranger", &["spiffe://own.example/workload/stranger"], 1);
    let is_signed_by_second = || dials(neighbours.inbound, Some(&stranger), &[]).is_served();
    let until = Instant::now() + Duration::from_secs(60);
    let (mut dialled, mut believed) = (0, false);
    let before = super::stranger::serial(neighbours.inbound);
    while Instant::now() < until {
        neighbours.dial().unwrap_or_else(|| panic!("after {dialled}: {}", neighbours.logs())).echo();
        dialled += 1;
        believed = believed || is_signed_by_second();
        let is_new = super::stranger::serial(neighbours.inbound) != before;
        if believed && is_new && dialled > 50 {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(believed, "the second is believed");
    lasting.echo();
    let trusts = api::json(&neighbours.control_plane.api, "/meshes/default/meshtrusts/a-own");
    assert_eq!(
        trusts["spec"]["caBundles"].as_array().map(Vec::len),
        Some(2),
        "both, until somebody removes one"
    );
}

#[test]
fn another_domain_is_believed_when_there_is_a_trust_for_it() {
    const WEB: &str = "spiffe://east.example/workload/web";
    const REDIS: &str = "spiffe://east.example/workload/redis";
    let east = Authority::another();
    let (web, redis) = (east.signs("web", &[WEB], 1), east.signs("redis", &[REDIS], 1));
    for sort in [Sort::Ours, Sort::Envoy] {
        let mut neighbours = Neighbours::of_workloads(sort, sort);
        lets_in_everybody(&neighbours, &["default.default.mesh.local", "east.example"]);
        neighbours.reaches("those of one domain reach each other");
        let comes_in = |neighbours: &Neighbours| dials(neighbours.inbound, Some(&web), &[]).is_served();
        assert!(!comes_in(&neighbours), "{sort:?}: nobody vouches for the east");
        let put_trust = |neighbours: &Neighbours, authority: &Authority| {
            neighbours.put("/meshes/default/meshtrusts/east", &trust("east", "east.example", &[authority]));
        };
        put_trust(&neighbours, &Authority::another());
        assert!(!comes_in(&neighbours), "{sort:?}: another authority vouches for it");
        put_trust(&neighbours, &east);
        eventually("who comes from the east is let in", || comes_in(&neighbours));

        // and as a client: a dialled server must be of a trusted domain, and be redis
        neighbours.redis = None;
        let server = Server::start(neighbours.inbound, &redis, &east);
        let say = |neighbours: &Neighbours| {
            let Ok(mut client) = TcpStream::connect(("127.0.0.1", neighbours.outbound)) else { return };
            let _ = client.write_all(b"between us\n");
            std::thread::sleep(Duration::from_millis(300));
        };
        for _ in 0..3 {
            say(&neighbours);
        }
        assert_eq!(server.heard(), "", "{sort:?}: it is not who the MeshService says that it is");
    }
}
