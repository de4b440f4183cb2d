//! Tests that the secrets of a mesh exist when its PUT is answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meshtcp_control::api::{Role, Setup};
use model::{Kind, ResourceKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use crate::client::send;
use crate::server::{Server, trusting};

const MESH: &str = r#"{"type": "Mesh", "name": "shop",
    "mtls": {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}}"#;

async fn secret(server: &Server, name: &str) -> String {
    let reply = send(server.address, &format!("GET /meshes/shop/secrets/{name}"), "").await;
    assert_eq!(reply.status, 200, "{name}: {}", reply.body);
    String::from_utf8(STANDARD.decode(reply.json()["data"].as_str().unwrap()).unwrap()).unwrap()
}

/// Returns the certificate of the authority, after checking that it matches the stored key.
async fn authority(server: &Server) -> String {
    let certificate = secret(server, "shop.ca-builtin-cert-ca").await;
    let key = secret(server, "shop.ca-builtin-key-ca").await;
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    rustls::sign::CertifiedKey::from_der(vec![der], key, &provider).expect("both are of one authority");
    certificate
}

#[tokio::test]
async fn a_mesh_with_a_builtin_backend_has_its_authority_and_a_key_for_tokens() {
    let server = Server::start(trusting()).await;
    assert_eq!(send(server.address, "PUT /meshes/shop", MESH).await.status, 201);
    let certificate = authority(&server).await;
    let key = secret(&server, "dataplane-token-signing-key-shop-1").await;
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "{key}");
    let token = r#"{"mesh": "shop", "name": "web-1", "validFor": "1h"}"#;
    let token = send(server.address, "POST /tokens/dataplane", token).await.body;
    server.tokens.proxy(&token).await.unwrap();

    // a repeated put makes nothing new
    let again = send(server.address, "PUT /meshes/shop", MESH).await;
    assert_eq!((again.status, again.json()), (200, json!({})));
    assert_eq!(authority(&server).await, certificate);
    server.tokens.proxy(&token).await.unwrap();
}

#[tokio::test]
async fn of_several_who_put_a_mesh_at_once_one_makes_its_secrets() {
    let server = Server::start(trusting()).await;
    let mut puts = tokio::task::JoinSet::new();
    for _ in 0..4 {
        puts.spawn(send(server.address, "PUT /meshes/shop", MESH));
    }
    while let Some(reply) = puts.join_next().await {
        let reply = reply.unwrap();
        assert!(matches!(reply.status, 200 | 201), "{}", reply.body);
    }
    let listed = send(server.address, "GET /meshes/shop/secrets", "").await.json();
    assert_eq!(listed["total"], 3, "{listed}");
    authority(&server).await;
}

#[tokio::test]
async fn what_cannot_be_made_is_told_and_what_came_with_a_mesh_goes_with_it() {
    let server = Server::start(Setup { localhost: Role::Writer, ..Setup::default() }).await;
    let small = MESH.replace(r#""builtin""#, r#""builtin", "conf": {"caCert": {"RSAbits": 512}}"#);
    let reply = send(server.address, "PUT /meshes/shop", &small).await;
    let warnings = reply.json()["warnings"].clone();
    assert!(warnings[0].as_str().is_some_and(|it| it.contains("RSAbits")), "{} {warnings}", reply.status);
    let key = ResourceKey::new(Kind::Secret, "shop", "dataplane-token-signing-key-shop-1");
    assert!(server.store.get(&key).await.unwrap().is_some());
    // a writer may not read secrets, but may delete the mesh together with those that came with it
    assert_eq!(send(server.address, "GET /meshes/shop/secrets", "").await.status, 403);
    assert_eq!(send(server.address, "DELETE /meshes/shop", "").await.status, 200);
    assert!(server.store.get(&key).await.unwrap().is_none());
}
