//! Tests with a real Envoy that attaches, in both protocols, and keeps working through changes, refusals and restarts.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod envoy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use envoy::{Envoy, eventually};
use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use plan::ProxyId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use xds::{Family, ResourceSet, order};

/// Control plane that can be killed: it has a runtime of its own.
struct ControlPlane {
    address: SocketAddr,
    publisher: Arc<Publisher>,
    statuses: Arc<Statuses>,
    metrics: DiscoveryMetrics,
    runtime: Option<Runtime>,
}

impl ControlPlane {
    async fn start(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        // a control plane that was just killed may hold the address a moment longer
        let bind = async || std::net::TcpListener::bind(address).ok();
        let listener = eventually("the address is free", bind).await;
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let publisher = Arc::new(Publisher::default());
        let statuses = Arc::new(Statuses::default());
        let metrics = DiscoveryMetrics::default();
        let server = DiscoveryServer::new("test", publisher.clone(), statuses.clone(), metrics.clone());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(listener, None, server, CancellationToken::new(), Duration::ZERO).await.unwrap();
        });
        Self { address, publisher, statuses, metrics, runtime: Some(runtime) }
    }

    fn publish(&self, set: ResourceSet) {
        self.publisher.publish(&proxy(), Family::Envoy, Arc::new(set));
    }

    /// Publishes a set and waits until Envoy has accepted all of it.
    async fn roll_out(&self, set: ResourceSet, envoy: &Envoy) {
        let version = set.version();
        self.publish(set);
        let status = eventually("Envoy accepts all", async || {
            let status = self.statuses.get(&proxy()).filter(|status| status.published == Some(version))?;
            (status.is_in_sync() || !status.rejections.is_empty()).then_some(status)
        })
        .await;
        assert!(status.rejections.is_empty(), "{:#?}\n{}", status.rejections, envoy.log());
    }

    fn bytes(&self) -> u64 {
        let types = [order::ENVOY_CLUSTER, order::ENVOY_ENDPOINTS, order::ENVOY_LISTENER];
        types.iter().map(|url| self.metrics.bytes_of(&xds::TypeUrl::new(*url))).sum()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn proxy() -> ProxyId {
    ProxyId::dataplane("default", "web-1")
}

/// Starts a server that sends its name to each client, and then echoes.
async fn backend(name: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(&[name]).await?;
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    address
}

/// Connects and returns the name of the server; `None` if nobody answers.
async fn who(address: SocketAddr) -> Option<char> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut name = [0];
    stream.read_exact(&mut name).await.ok()?;
    Some(char::from(name[0]))
}

/// Waits until new connections go to a backend: workers switch shortly after Envoy reports that it accepted.
async fn answers(address: SocketAddr, expected: char) {
    eventually("the backend answers", async || who(address).await.filter(|name| *name == expected)).await;
}

fn cluster(name: &str, connect_timeout: &str) -> Value {
    json!({
        "@type": order::ENVOY_CLUSTER,
        "name": name,
        "type": "EDS",
        "connectTimeout": connect_timeout,
        "edsClusterConfig": { "edsConfig": { "ads": {}, "resourceApiVersion": "V3" } }
    })
}

fn endpoints(cluster: &str, address: SocketAddr) -> Value {
    json!({
        "@type": order::ENVOY_ENDPOINTS,
        "clusterName": cluster,
        "endpoints": [{ "lbEndpoints": [{ "endpoint": { "address": { "socketAddress": {
            "address": address.ip().to_string(), "portValue": address.port() } } } }] }]
    })
}

fn listener(clusters: &[(&str, u32)]) -> Value {
    let clusters: Vec<_> =
        clusters.iter().map(|(name, weight)| json!({ "name": name, "weight": weight })).collect();
    json!({
        "@type": order::ENVOY_LISTENER,
        "name": "outbound",
        "address": { "socketAddress": { "address": "127.0.0.1", "portValue": 0 } },
        "filterChains": [{ "filters": [{
            "name": "envoy.filters.network.tcp_proxy",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix": "outbound",
                "weightedClusters": { "clusters": clusters }
            }
        }] }]
    })
}

fn set(trees: &[Value]) -> ResourceSet {
    let mut set = ResourceSet::default();
    for tree in trees {
        let name = tree["name"].as_str().or(tree["clusterName"].as_str()).unwrap();
        let (type_url, bytes) = dialect::encode(tree).unwrap();
        set.insert(type_url, name, bytes);
    }
    set
}

async fn attached(api_type: &str) -> (ControlPlane, Envoy, SocketAddr, SocketAddr) {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let (a, b) = (backend(b'a').await, backend(b'b').await);
    // nothing is published yet: Envoy waits, and is served when there is something
    let envoy = Envoy::start("default.web-1", control_plane.address, api_type).await;
    eventually("Envoy attaches", async || control_plane.statuses.get(&proxy())).await;
    control_plane
        .roll_out(set(&[cluster("a", "1s"), endpoints("a", a), listener(&[("a", 1)])]), &envoy)
        .await;
    assert_eq!(who(envoy.listener("outbound").await).await, Some('a'));
    (control_plane, envoy, a, b)
}

async fn changes_arrive_and_nobody_fails(api_type: &str) {
    let (control_plane, envoy, a, b) = attached(api_type).await;
    let address = envoy.listener("outbound").await;
    let done = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let mut heard = Vec::new();
            while !done.load(Ordering::Relaxed) {
                heard.push(who(address).await);
            }
            heard
        }
    });
    for round in 0..10 {
        let timeout = if round % 2 == 0 { "1s" } else { "2s" };
        // the backend is swapped, the other cluster is removed
        control_plane
            .roll_out(set(&[cluster("b", timeout), endpoints("b", b), listener(&[("b", 1)])]), &envoy)
            .await;
        answers(address, 'b').await;
        // the cluster changes and its endpoints do not
        let timeout = if round % 2 == 0 { "3s" } else { "4s" };
        control_plane
            .roll_out(set(&[cluster("b", timeout), endpoints("b", b), listener(&[("b", 1)])]), &envoy)
            .await;
        // only the endpoints change
        control_plane
            .roll_out(set(&[cluster("b", timeout), endpoints("b", a), listener(&[("b", 1)])]), &envoy)
            .await;
        answers(address, 'a').await;
        control_plane
            .roll_out(set(&[cluster("a", "1s"), endpoints("a", a), listener(&[("a", 1)])]), &envoy)
            .await;
    }
    done.store(true, Ordering::Relaxed);
    let heard = load.await.unwrap();
    let failed = heard.iter().filter(|name| name.is_none()).count();
    assert_eq!(failed, 0, "of {} connections\n{}", heard.len(), envoy.log());
    assert_eq!(envoy.stat("update_rejected").await, 0);
    assert_eq!(envoy.stat("init_fetch_timeout").await, 0, "a cluster waited in vain for its endpoints");
    assert!(envoy.stat("update_success").await > 40, "these are the statistics that are meant");
}

async fn a_refusal_is_told_and_changes_nothing(api_type: &str) {
    let (control_plane, envoy, a, b) = attached(api_type).await;
    let address = envoy.listener("outbound").await;
    let with = |weight: u32, extra: &str| {
        let clusters = [("a", a), ("b", b), (extra, a)];
        let mut trees: Vec<_> = clusters.iter().map(|(name, _)| cluster(name, "1s")).collect();
        trees.extend(clusters.iter().map(|(name, address)| endpoints(name, *address)));
        trees.push(listener(&[("b", weight)]));
        set(&trees)
    };
    control_plane.publish(with(0, "third"));
    let rejection = eventually("Envoy refuses a weight of 0", async || {
        control_plane.statuses.get(&proxy())?.rejections.into_iter().next()
    })
    .await;
    assert_eq!((rejection.type_url.as_str(), rejection.name.as_str()), (order::ENVOY_LISTENER, "outbound"));
    assert!(rejection.message.contains("must be greater than or equal to 1"), "{}", rejection.message);
    assert_eq!(who(address).await, Some('a'), "what ran before runs on");

    // other changes go on, and the refused listener, which does not use them, is not sent again
    control_plane.publish(with(0, "fourth"));
    eventually("the other cluster arrives", async || {
        envoy.admin("/clusters").await?.contains("fourth::observability_name").then_some(())
    })
    .await;
    assert_eq!(envoy.stat("lds.update_rejected").await, 1);

    control_plane.roll_out(with(1, "third"), &envoy).await;
    answers(address, 'b').await;
}

/// Kills the control plane and starts another. Returns the size of the responses, in bytes, that the other one sent
/// until Envoy was in sync with it.
async fn survives_a_restart(api_type: &str) -> u64 {
    let (control_plane, envoy, a, _) = attached(api_type).await;
    let mut connection = TcpStream::connect(envoy.listener("outbound").await).await.unwrap();
    let mut echo = async |byte: u8| {
        connection.write_all(&[byte]).await.unwrap();
        connection.read_u8().await.unwrap()
    };
    assert_eq!(echo(b'1').await, b'a');
    let address = control_plane.address.to_string();
    drop(control_plane);
    assert_eq!(echo(b'2').await, b'1');
    let control_plane = ControlPlane::start(&address).await;
    control_plane
        .roll_out(set(&[cluster("a", "1s"), endpoints("a", a), listener(&[("a", 1)])]), &envoy)
        .await;
    assert_eq!(echo(b'3').await, b'2');
    control_plane.bytes()
}

#[tokio::test]
async fn delta_changes_arrive_and_nobody_fails() {
    changes_arrive_and_nobody_fails("DELTA_GRPC").await;
}

#[tokio::test]
async fn state_of_the_world_changes_arrive_and_nobody_fails() {
    changes_arrive_and_nobody_fails("GRPC").await;
}

#[tokio::test]
async fn a_refusal_in_delta_is_told_and_changes_nothing() {
    a_refusal_is_told_and_changes_nothing("DELTA_GRPC").await;
}

#[tokio::test]
async fn a_refusal_in_state_of_the_world_is_told_and_changes_nothing() {
    a_refusal_is_told_and_changes_nothing("GRPC").await;
}

#[tokio::test]
async fn a_restart_sends_nothing_again_in_delta() {
    let bytes = survives_a_restart("DELTA_GRPC").await;
    // two empty wildcard answers: their type, version and nonce
    assert!(bytes < 300, "{bytes}");
}

#[tokio::test]
async fn a_restart_sends_everything_once_in_state_of_the_world() {
    let bytes = survives_a_restart("GRPC").await;
    assert!(bytes > 300, "{bytes}");
}

/// Envoy asks for clusters and listeners only after its runtime was answered, or, in state of the world, waited for.
async fn starts_though_nobody_knows_its_runtime(api_type: &str) {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let a = backend(b'a').await;
    let everything = set(&[cluster("a", "1s"), endpoints("a", a), listener(&[("a", 1)])]);
    control_plane.publish(everything.clone());
    let envoy = Envoy::start_with_runtime("default.web-1", control_plane.address, api_type).await;
    control_plane.roll_out(everything, &envoy).await;
    assert_eq!(who(envoy.listener("outbound").await).await, Some('a'));
}

#[tokio::test]
async fn an_envoy_that_asks_for_its_runtime_starts_in_delta() {
    starts_though_nobody_knows_its_runtime("DELTA_GRPC").await;
}

#[tokio::test]
async fn an_envoy_that_asks_for_its_runtime_starts_in_state_of_the_world() {
    starts_though_nobody_knows_its_runtime("GRPC").await;
}
