//! Tests of several resources in one request: all of them or none.

use meshtcp_control::api::{Role, Setup};
use meshtcp_control::store::Selection;
use serde_json::{Value, json};

use crate::client::{send, send_locally};
use crate::server::{Server, trusting};

fn mesh(name: &str) -> Value {
    json!({ "type": "Mesh", "name": name })
}

fn route(mesh: &str, name: &str, weight: i64) -> Value {
    let backend = json!({ "kind": "MeshService", "name": "cache", "weight": weight });
    let rules = json!([{ "default": { "backendRefs": [backend] } }]);
    let to = json!([{ "targetRef": { "kind": "MeshService", "name": "cache" }, "rules": rules }]);
    json!({ "type": "MeshTCPRoute", "mesh": mesh, "name": name, "spec": { "targetRef": { "kind": "Mesh" }, "to": to } })
}

fn body(items: &[Value]) -> String {
    json!({ "total": items.len(), "items": items }).to_string()
}

const APPLY: &str = "POST /_apply\nContent-Type: application/json";

#[tokio::test]
async fn everything_is_there_at_once_or_nothing_is() {
    let server = Server::start(trusting()).await;
    let revision = async || server.store.revision().await.unwrap();
    let before = revision().await;
    let mut watch = server.store.watch(before).await.unwrap();
    let shop = [route("shop", "a", 1), mesh("shop"), route("shop", "b", 1)];
    let answer = send(server.address, APPLY, &body(&shop)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    let outcomes: Vec<&str> =
        told["resources"].as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["created"; 3]);
    // with the key that signs the tokens of the mesh
    assert_eq!(watch.next().await.unwrap().len(), 4, "in one piece");
    let last = revision().await;
    assert_eq!(told["revision"], json!(last.number()));
    assert_eq!(answer.header("meshtcp-revision"), Some(last.to_string().as_str()));

    let same = send(server.address, APPLY, &body(&shop)).await.json();
    assert_eq!((&same["revision"], &same["resources"][0]["outcome"]), (&Value::Null, &json!("unchanged")));

    let yaml = "type: Mesh\nname: one\n---\ntype: Mesh\nname: two\n";
    let answer = send(server.address, "POST /_apply\nContent-Type: application/yaml", yaml).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    let before = revision().await;
    for (bad, why) in [
        (vec![mesh("new"), route("shop", "c", -1)], "MeshTCPRoute shop/c"),
        (vec![mesh("new"), route("nowhere", "c", 1)], "no Mesh nowhere"),
        (vec![mesh("new"), mesh("new")], "twice"),
        (vec![mesh("new"), json!({ "type": "Car", "name": "x" })], "resource 2"),
        (vec![], "no resource"),
    ] {
        let answer = send(server.address, APPLY, &body(&bad)).await;
        assert_eq!(answer.status, 400, "{why}: {}", answer.body);
        assert!(answer.body.contains(why), "{why}: {}", answer.body);
    }
    assert_eq!(revision().await, before);
}

#[tokio::test]
async fn more_than_one_resource_may_be_large() {
    let server = Server::start(trusting()).await;
    let many: Vec<Value> = (0..12_000).map(|number| route("default", &format!("r{number}"), 1)).collect();
    let text = body(&many);
    assert!(text.len() > Setup::default().body_limit / 2, "{}", text.len());
    let answer = send(server.address, APPLY, &text).await;
    assert_eq!(answer.status, 200, "{}", &answer.body[..200]);
    let listing = server.store.list(&Selection::default()).await.unwrap();
    assert_eq!(listing.items.len(), 12_001);
}

#[tokio::test]
async fn rights_count_as_for_each_alone() {
    let secret = json!({ "type": "Secret", "mesh": "default", "name": "s", "data": "eA==" });
    let both = body(&[mesh("shop"), secret]);
    for (localhost, status) in [(Role::Reader, 403), (Role::Writer, 403), (Role::Admin, 200)] {
        let server = Server::start(Setup { localhost, ..Setup::default() }).await;
        let answer = send(server.address, APPLY, &both).await;
        assert_eq!(answer.status, status, "{localhost:?}: {}", answer.body);
        let count = server.store.list(&Selection::default()).await.unwrap().items.len();
        // with the key that signs the tokens of the mesh
        assert_eq!(count, if status == 200 { 4 } else { 1 });
    }
    let server = Server::start(Setup { read_only: true, ..Setup::default() }).await;
    assert_eq!(send_locally(&server.socket, APPLY, &both).await.status, 405);
}
