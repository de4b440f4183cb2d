//! Tests that an answer stays short, and gives the number of errors, however many there are.

use serde_json::Value;

use crate::client::send;
use crate::server::{Server, trusting};

#[tokio::test]
async fn the_first_errors_are_named_and_the_others_counted() {
    let server = Server::start(trusting()).await;
    let preview = "POST /_preview\nContent-Type: application/yaml";
    let put = "PUT /meshes/default/meshtcproutes/r";
    server.keep(r#"{"type": "Mesh", "name": "default"}"#).await;
    let unknown: String = (0..30_000).map(|number| format!(",\"f{number}\":1")).collect();
    let refs = vec![r#"{"kind":"Nosuch","weight":-1}"#; 3_000].join(",");
    let route = |members: &str| format!(r#"{{"type":"MeshTCPRoute","mesh":"default","name":"r"{members}}}"#);
    let spec = format!(
        r#","spec":{{"to":[{{"targetRef":{{"kind":"Mesh"}},"rules":[{{"default":{{"backendRefs":[{refs}]}}}}]}}]}}"#
    );
    let documents = "---\ntype: Mesh\nname: UPPER\n".repeat(2_000);
    for (request, body, least) in [
        (preview, "a:\n".repeat(100_000), 99_999),
        (preview, documents, 2_000),
        (put, route(&unknown), 30_000),
        (put, route(&spec), 3_000),
    ] {
        let answer = send(server.address, request, &body).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.len() < 50_000, "{} bytes", answer.body.len());
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let named = body["invalid_parameters"].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(named, 20, "{}", answer.body);
        let more = body["more_invalid_parameters"].as_u64().unwrap();
        assert!(named + more >= least, "{named} + {more}");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("{more} more")), "{detail}");
    }
    let answer = send(server.address, put, &format!(r#"{{{}"a":0}}"#, r#""a":0,"#.repeat(50_000))).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 2_000 && answer.body.contains("49999 more"), "{}", answer.body);
}
