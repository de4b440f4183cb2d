//! Tests that the OpenAPI document matches the program.

use std::path::{Path, PathBuf};

use meshtcp_control::api::openapi;

use crate::client::send;
use crate::server::{Server, trusting};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/openapi.json")
}

#[test]
fn the_committed_document_is_current() {
    let said = format!("{:#}\n", openapi());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), &said).unwrap();
    }
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == said,
        "docs/api/openapi.json is old: UPDATE=1 cargo test -p meshtcp-control --test api writes it"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let document = openapi();
    let mut ids: Vec<&str> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            ids.push(operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}")));
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name:?}");
    }
}

#[tokio::test]
async fn the_server_shows_the_document() {
    let server = Server::start(trusting()).await;
    let reply = send(server.address, "GET /openapi.json", "").await;
    assert_eq!((reply.status, reply.json()), (200, openapi()));
}
