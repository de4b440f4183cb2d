//! Tests with recorded bootstrap requests of kuma-dp 2.14.3, and their expected answers (`bootstrap/recorded.jsonl`):
//! over TLS without ALPN, as it asks, and in plaintext.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use change::compile::{Compiler, PlanScope, ProxySelection};
use dialect::envoy::EnvoyOptions;
use meshtcp_control::arrivals::Arrivals;
use meshtcp_control::bootstrap::Bootstraps;
use meshtcp_control::certificate::Certificate;
use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use meshtcp_control::run::Current;
use meshtcp_control::store::{Expected, MemoryStore, Store};
use meshtcp_control::yaml;
use model::draft::Options;
use model::{Kind, ResourceKey};
use plan::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;
use trust::Trust;
use xds::order::ENVOY_CLUSTER;
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, PROXY_SORT};

const RECORDED: &str = include_str!("bootstrap/recorded.jsonl");
/// Exchange from which on the Dataplane is stored.
const STORED_FROM: &str = "--name --mesh, stored";

struct Server {
    address: SocketAddr,
    store: Arc<dyn Store>,
    current: watch::Sender<Arc<Current>>,
    trust: Trust,
    _end: DropGuard,
}

impl Server {
    /// Starts a server: over TLS with a certificate of its own and required tokens, or in plaintext.
    async fn start(over_tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("cert"), &pem).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        let certificate = over_tls.then(|| Certificate::read(&file("cert"), &file("key")).unwrap());

        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mesh = ResourceKey::new(Kind::Mesh, "", "default");
        store.put(&mesh, json!({ "type": "Mesh", "name": "default" }), Expected::Any).await.unwrap();
        let compiler = Compiler {
            context: Context::default(),
            scope: PlanScope { mesh: None, which: ProxySelection::All },
            envoy: EnvoyOptions::default(),
        };
        let adopted = Some((Default::default(), Arc::new(compiler.nothing())));
        let current = watch::Sender::new(Arc::new(Current { adopted, ..Current::default() }));
        let bootstraps = Bootstraps {
            arrivals: Arrivals::new(store.clone(), Options::default(), true),
            current: current.subscribe(),
            wants_tokens: over_tls,
            certificate: certificate.clone(),
        };
        let (publisher, statuses) = (Arc::new(Publisher::default()), Arc::new(Statuses::default()));
        let server = DiscoveryServer::new("test", publisher, statuses, DiscoveryMetrics::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = server.starting(bootstraps);
        tokio::spawn(serve(listener, certificate, server, shutdown.clone(), Duration::ZERO));
        let trust = Trust::from_pem(pem.as_bytes()).unwrap();
        Self { address, store, current, trust, _end: shutdown.drop_guard() }
    }

    async fn ask_over_tls(&self, request: &str) -> Answer {
        // without ALPN
        let connector = TlsConnector::from(Arc::new(self.trust.client(&[]).unwrap()));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        ask(connector.connect(name, stream).await.unwrap(), request).await
    }

    async fn ask(&self, request: &str) -> Answer {
        ask(TcpStream::connect(self.address).await.unwrap(), request).await
    }
}

struct Answer {
    status: u64,
    kind: String,
    body: String,
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    Answer { status, kind: kind.to_owned(), body: body.to_owned() }
}

fn request(method: &str, host: &str, accept: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} /bootstrap HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn sorted(mut node: Value) -> Value {
    if let Some(features) = node["metadata"]["features"].as_array_mut() {
        features.sort_by_key(|feature| feature.as_str().map(str::to_owned));
    }
    node
}

/// Removes the nulls, which mean nothing in protobuf's JSON.
fn said(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            // false is the default and is left out
            let members = members.filter(|(key, value)| key != "kumaDpCompatible" || *value != json!(false));
            Value::Object(members.map(|(key, value)| (key, said(value))).collect())
        }
        other => other,
    }
}

#[tokio::test]
async fn what_kuma_dp_was_recorded_asking_is_answered_as_it_expects() {
    let server = Server::start(true).await;
    for line in RECORDED.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let what = case["what"].as_str().unwrap();
        if what == STORED_FROM {
            let stored = json!({ "type": "Dataplane", "mesh": "default", "name": "stored-1", "networking": {
                "address": "127.0.0.1", "inbound": [{ "port": 18000, "tags": { "kuma.io/service": "web" } }] } });
            let key = ResourceKey::new(Kind::Dataplane, "default", "stored-1");
            server.store.put(&key, stored, Expected::Any).await.unwrap();
        }
        let host = format!("{}:{}", case["host"].as_str().unwrap_or("127.0.0.1"), server.address.port());
        let body = match &case["body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            tree => tree.to_string(),
        };
        let (method, accept) = (case["method"].as_str().unwrap(), case["accept"].as_str().unwrap());
        let Answer { status, kind, body } = server.ask_over_tls(&request(method, &host, accept, &body)).await;
        assert_eq!(Some(status), case["status"].as_u64(), "{what}: {body}");
        let text = case["text"].as_str().unwrap_or_default();
        if status != 200 {
            assert!(body.starts_with(text) && text.is_empty() == body.is_empty(), "{what}: {body}");
            assert_eq!(kind, if text.is_empty() { "" } else { "text/plain; charset=utf-8" }, "{what}");
            continue;
        }
        let bootstrap = match case.get("address") {
            None => {
                assert_eq!(kind, "text/x-yaml", "{what}");
                body
            }
            Some(address) => {
                assert_eq!(kind, "application/json", "{what}");
                let answer: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(answer["kumaSidecarConfiguration"]["networking"]["address"], *address, "{what}");
                let text = STANDARD.decode(answer["bootstrap"].as_str().unwrap()).unwrap();
                String::from_utf8(text).unwrap()
            }
        };
        let tree = yaml::read_one("bootstrap", &bootstrap).unwrap();
        assert_eq!(said(sorted(tree["node"].clone())), said(case["node"].clone()), "{what}");
        assert_eq!(tree["admin"]["address"], case["admin"], "{what}");
        let cluster = &tree["staticResources"]["clusters"][0];
        let dialled = &cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"];
        let expected = json!({ "address": "127.0.0.1", "portValue": server.address.port() });
        assert_eq!(dialled["socketAddress"], expected, "{what}");
        let sink = &tree["staticResources"]["clusters"][1];
        let pipe = &sink["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]["pipe"];
        assert_eq!((&sink["name"], &pipe["path"]), (&json!("access_log_sink"), &case["accessLog"]), "{what}");
        let service = &tree["dynamicResources"]["adsConfig"]["grpcServices"][0];
        assert_eq!(service["initialMetadata"][0]["value"], "a.b.c", "{what}");
        assert!(!tree["staticResources"]["secrets"].is_null(), "{what}");
    }
}

#[tokio::test]
async fn in_plaintext_nobody_has_to_be_believed_and_what_heals_is_asked_again() {
    let server = Server::start(false).await;
    let body = r#"{"mesh":"default","name":"web-1","dataplaneResource":"{\"type\":\"Dataplane\",\"mesh\":\"default\",
        \"name\":\"web-1\",\"networking\":{\"address\":\"127.0.0.1\",\"inbound\":[{\"port\":1,\"tags\":{\"kuma.io/service\":\"web\"}}]}}"}"#
        .replace("\n        ", "");
    let request = request("POST", "localhost:5678", "*/*", &body);
    let Answer { status, body, .. } = server.ask(&request).await;
    let tree = yaml::read_one("bootstrap", &body).unwrap();
    assert_eq!(status, 200, "{body}");
    let cluster = &tree["staticResources"]["clusters"][0];
    assert_eq!(cluster["dnsLookupFamily"], "ALL", "localhost has an IPv6 address that nobody listens on");
    assert!(cluster["transportSocket"].is_null() && tree["staticResources"]["secrets"].is_null(), "{body}");

    server.current.send_replace(Arc::default());
    let Answer { status, body, .. } = server.ask(&request).await;
    assert!(status == 503 && body.contains("starting"), "{status} {body}");
}

const DATAPLANE: &str = r#"{"type":"Dataplane","mesh":"MESH","name":"web-1","networking":{"address":"127.0.0.1",
    "inbound":[{"port":1,"tags":{"kuma.io/service":"web"}}]}}"#;

/// Opens a stream as an Envoy that its kuma-dp started, and waits for the first response.
async fn attach(server: &Server, sort: &str, node_id: &str, brought: &str) -> Result<(), Status> {
    let channel =
        Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let node = Node { id: node_id.into(), ..Node::default() };
    let node = Some(node.telling("dataplane.resource", brought).telling(PROXY_SORT, sort));
    let request = DeltaDiscoveryRequest { node, type_url: ENVOY_CLUSTER.into(), ..Default::default() };
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let path = PathAndQuery::from_static(
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    );
    let requests = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut responses = grpc.streaming(tonic::Request::new(requests), path, codec).await?.into_inner();
    match tokio::time::timeout(Duration::from_millis(300), responses.message()).await {
        Ok(Err(status)) => Err(status),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

#[tokio::test]
async fn a_dataplane_that_comes_with_its_proxy_is_stored_before_that_is_served() {
    let server = Server::start(false).await;
    let key = ResourceKey::new(Kind::Dataplane, "default", "web-1");
    attach(&server, "dataplane", "default.web-1", &DATAPLANE.replace("MESH", "default")).await.unwrap();
    let stored = server.store.get(&key).await.unwrap().unwrap();
    assert_eq!(stored.document["labels"]["kuma.io/mesh"], "default");
    for (node_id, brought, why) in [
        ("nomesh.web-1", DATAPLANE.replace("MESH", "nomesh"), "mesh \"nomesh\" does not exist"),
        ("default.web-2", DATAPLANE.replace("MESH", "default"), "brings Dataplane default/web-1"),
        ("default.web-1", DATAPLANE.replace("127.0.0.1", ""), "networking.address: "),
        (".web-1", DATAPLANE.replace("MESH", "default"), "is no node id"),
    ] {
        let status = attach(&server, "dataplane", node_id, &brought).await.unwrap_err();
        assert!(status.message().contains(why), "{node_id}: {status:?}");
    }
}

#[tokio::test]
async fn a_zone_proxy_brings_what_it_is_of_its_own_sort() {
    let server = Server::start(false).await;
    let document = |kind: &str| {
        let networking = json!({ "address": "10.0.0.1", "port": 10001 });
        json!({ "type": kind, "name": "gate-1", "networking": networking }).to_string()
    };
    for (sort, kind) in [("ingress", Kind::ZoneIngress), ("egress", Kind::ZoneEgress)] {
        attach(&server, sort, ".gate-1", &document(kind.as_str())).await.unwrap();
        assert!(server.store.get(&ResourceKey::global(kind, "gate-1")).await.unwrap().is_some(), "{kind}");
    }
    for (sort, brought, why) in [
        ("ingress", document("ZoneEgress"), "brings ZoneEgress gate-1"),
        ("ingress", r#"{"type":"ZoneIngress","name":"gate-1"}"#.to_owned(), "networking"),
        ("car", document("ZoneIngress"), "is no node id"),
    ] {
        let status = attach(&server, sort, ".gate-1", &brought).await.unwrap_err();
        assert!(status.message().contains(why), "{sort}: {status:?}");
    }
}
