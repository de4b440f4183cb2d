//! Tests of the running state as the API shows it.

use dialect::envoy::{EnvoyOptions, SplitLayout};
use meshtcp_control::api::Setup;
use meshtcp_control::store::Expected;
use model::{Kind, ResourceKey};
use serde_json::Value;

use crate::client::{Reply, send};
use crate::server::{Server, trusting};

async fn server() -> Server {
    let server = Server::start(trusting()).await;
    server.keep(include_str!("shadow.yaml")).await;
    server.settle().await;
    server
}

async fn get(server: &Server, path: &str) -> Reply {
    let reply = send(server.address, &format!("GET {path}"), "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply
}

const WEB: &str = "/meshes/default/dataplanes/web-1";

#[tokio::test]
async fn a_shadow_policy_shows_what_it_would_change() {
    let server = server().await;
    let now = get(&server, &format!("{WEB}/_config?include=diff")).await.json();
    assert_eq!(now["diff"], serde_json::json!([]));
    let listeners = now["xds"]["type.googleapis.com/envoy.config.listener.v3.Listener"].as_object().unwrap();
    assert!(listeners.contains_key("outbound:127.0.0.1:10080"), "{listeners:?}");
    let then = get(&server, &format!("{WEB}/_config?shadow=true&include=diff")).await.json();
    assert!(!then["diff"].as_array().unwrap().is_empty());
    assert_ne!(then["xds"], now["xds"]);
    let without = get(&server, &format!("{WEB}/_config?shadow=true")).await.json();
    assert_eq!((without.get("diff"), &without["xds"]), (None, &then["xds"]));
}

/// Resources with `web-1`, which sends connections for `blue` to two services at addresses of their own.
const SPLIT: &str = "
type: Dataplane
mesh: default
name: web-1
networking:
  address: 10.0.0.1
  inbound: [{port: 80, tags: {kuma.io/service: web}}]
  outbound: [{port: 10080, tags: {kuma.io/service: blue}}]
---
type: Dataplane
mesh: default
name: blue-1
networking: {address: 10.0.0.2, inbound: [{port: 80, tags: {kuma.io/service: blue, kuma.io/protocol: tcp}}]}
---
type: Dataplane
mesh: default
name: green-1
networking: {address: 10.0.0.3, inbound: [{port: 80, tags: {kuma.io/service: green, kuma.io/protocol: tcp}}]}
---
type: MeshTCPRoute
mesh: default
name: blue-green
spec:
  targetRef: {kind: Mesh}
  to:
    - targetRef: {kind: MeshService, name: blue}
      rules:
        - default: {backendRefs: [{kind: MeshService, name: blue, weight: 9}, {kind: MeshService, name: green, weight: 1}]}
";

#[tokio::test]
async fn a_configuration_is_shown_in_the_layout_that_is_in_force() {
    for (split, weighted) in [(SplitLayout::Endpoints, false), (SplitLayout::Clusters, true)] {
        let envoy = EnvoyOptions { split, ..EnvoyOptions::default() };
        let server = Server::telling_envoy(trusting(), envoy).await;
        server.keep(SPLIT).await;
        server.settle().await;
        let shown = get(&server, &format!("{WEB}/_config")).await;
        assert_eq!(shown.body.contains("\"weightedClusters\""), weighted, "{split:?}: {}", shown.body);
    }
}

#[tokio::test]
async fn the_plan_and_the_status_are_those_of_the_fleet() {
    let server = server().await;
    let plan = get(&server, &format!("{WEB}/_plan")).await.json();
    assert_eq!(plan["proxy"]["name"], "web-1");
    let status = get(&server, "/_status").await.json();
    let proxies: Vec<&Value> = status["proxies"].as_array().unwrap().iter().map(|it| &it["proxy"]).collect();
    assert_eq!(proxies, ["default/backend-1", "default/edge", "default/web-1"]);
    let clusters = get(&server, &format!("{WEB}/clusters")).await;
    assert!(clusters.body.contains("10.0.0.2:80::weight"), "{}", clusters.body);
}

#[tokio::test]
async fn events_tell_of_a_revision_until_it_is_live() {
    let server = server().await;
    let revisions = get(&server, "/_revisions").await.json();
    let number = revisions["revisions"][0]["revision"].as_u64().unwrap();
    // no proxy is attached, so there is nothing to wait for
    let events = get(&server, &format!("/_revisions/{number}/_events")).await;
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    assert!(
        events.body.contains("event: live\n") && events.body.contains("\"concerned\":0"),
        "{}",
        events.body
    );
    // a future revision is waited for, as long as the caller likes
    let events = get(&server, &format!("/_revisions/{}/_events?wait=0", number + 1)).await;
    assert!(events.body.contains("event: timeout\n"), "{}", events.body);
    for bad in ["/_revisions/x/_events", "/_revisions/1/_events?wait=x", "/_revisions/1/_events?wait=3601"] {
        assert_eq!(send(server.address, &format!("GET {bad}"), "").await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn tokens_that_are_issued_are_believed() {
    let server = Server::start(trusting()).await;
    let body = r#"{"name":"jo","groups":["mesh-system:writer"],"validFor":"1h"}"#;
    let token = send(server.address, "POST /tokens/user", body).await;
    assert_eq!((token.status, token.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    // from elsewhere, with the token
    let who = format!("GET /who-am-i\nHost: cp.example\nAuthorization: Bearer {}", token.body);
    let who = send(server.address, &who, "").await.json();
    assert_eq!(who["groups"], serde_json::json!(["mesh-system:writer", "mesh-system:authenticated"]));
    let body = r#"{"mesh":"default","name":"web-1","tags":{"kuma.io/service":["web"]},"validFor":"24h"}"#;
    let token = send(server.address, "POST /tokens/dataplane", body).await;
    assert_eq!(token.status, 200, "{}", token.body);
    let zone = send(server.address, "POST /tokens/zone", r#"{"zone":"east","scope":["ingress"]}"#).await;
    assert_eq!(zone.status, 200, "{}", zone.body);
}

#[tokio::test]
async fn before_there_is_a_mesh_callers_are_asked_to_come_again() {
    let server = Server::start(Setup { prepared: false, ..trusting() }).await;
    let mesh = ResourceKey::global(Kind::Mesh, "default");
    server.store.delete(&mesh, Expected::Any).await.unwrap();
    let body = r#"{"type":"Mesh","name":"depot"}"#;
    for (request, body) in [
        ("GET /meshes/default/dataplanes", ""),
        ("GET /meshes", ""),
        ("PUT /meshes/depot\nContent-Type: application/json", body),
    ] {
        let reply = send(server.address, request, body).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("1")),
            "{request}: {}",
            reply.body
        );
    }
    // a request that is not about resources is answered
    get(&server, "/").await;
    server.keep("type: Mesh\nname: default\n").await;
    get(&server, "/meshes/default/dataplanes").await;
}
