//! Our own proxy at our own control plane over gRPC: changes, refusals, restarts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use change::status::{ProxyStatus, StreamKind};
use control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use plan::ProxyId;
use proxy::discovery::{Discovery, Link};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use xds::proto::l4::{Backend, Cluster, Endpoints, Listener, Route};
use xds::{Family, RejectedResource, ResourceSet, TypeUrl};

const PATIENCE: Duration = Duration::from_secs(20);

/// Control plane that can be killed: its runtime is its own.
struct ControlPlane {
    address: SocketAddr,
    publisher: Arc<Publisher>,
    statuses: Arc<Statuses>,
    metrics: DiscoveryMetrics,
    shutdown: CancellationToken,
    runtime: Option<Runtime>,
}

impl ControlPlane {
    async fn start(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        // A control plane that was just killed may hold the address a moment longer.
        let bound = async {
            loop {
                match std::net::TcpListener::bind(address) {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let listener = timeout(PATIENCE, bound).await.expect("the address becomes free");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (publisher, statuses) = (Arc::new(Publisher::default()), Arc::new(Statuses::default()));
        let metrics = DiscoveryMetrics::default();
        let server = DiscoveryServer::new("test", publisher.clone(), statuses.clone(), metrics.clone());
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(listener, None, server, stop, Duration::ZERO).await.unwrap();
        });
        Self { address, publisher, statuses, metrics, shutdown, runtime: Some(runtime) }
    }

    fn publish(&self, weight: u32) {
        self.publisher.publish(&key(), Family::L4, Arc::new(set(weight)));
    }

    async fn status(&self, wanted: impl Fn(&ProxyStatus) -> bool) -> ProxyStatus {
        let mut changes = self.statuses.changes();
        let found = async {
            loop {
                if let Some(status) = self.statuses.get(&key()).filter(&wanted) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, found).await.expect("the status comes about")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn key() -> ProxyId {
    ProxyId::dataplane("default", "web-1")
}

fn set(weight: u32) -> ResourceSet {
    let mut set = ResourceSet::default();
    let backends = vec![Backend { cluster: "a".into(), weight, ..Default::default() }];
    set.insert_message("a", &Cluster { name: "a".into(), ..Default::default() });
    set.insert_message("a", &Endpoints { cluster: "a".into(), ..Default::default() });
    set.insert_message("out", &Route { name: "out".into(), backends, ..Default::default() });
    set.insert_message("out", &Listener { name: "out".into(), route: "out".into(), ..Default::default() });
    set
}

/// Proxy that refuses the weight 13.
struct Follower {
    seen: Arc<Mutex<Vec<ResourceSet>>>,
    link: watch::Receiver<Link>,
    task: tokio::task::JoinHandle<std::convert::Infallible>,
}

impl Follower {
    fn start(control_plane: SocketAddr) -> Self {
        let discovery = Discovery::new(&format!("http://{control_plane}"), "default.web-1").unwrap();
        let link = discovery.link();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(discovery.run({
            let seen = Arc::clone(&seen);
            move |offered| {
                if **offered == set(13) {
                    let (type_url, name) = (TypeUrl::of::<Route>(), "out".to_owned());
                    return Err(vec![RejectedResource {
                        type_url,
                        name,
                        reason: "13 is unlucky".to_owned(),
                    }]);
                }
                seen.lock().unwrap().push((**offered).clone());
                Ok(())
            }
        }));
        Self { seen, link, task }
    }

    async fn runs(&mut self, weight: u32) {
        let seen = Arc::clone(&self.seen);
        let found = self.link.wait_for(|_| seen.lock().unwrap().last() == Some(&set(weight)));
        timeout(PATIENCE, found).await.expect("the configuration arrives").unwrap();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_proxy_waits_until_it_is_known_and_then_follows() {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let mut follower = Follower::start(control_plane.address);
    let status = control_plane.status(|status| status.connection.is_some()).await;
    let connection = status.connection.unwrap();
    assert_eq!((connection.protocol, connection.dialect), (StreamKind::Delta, Family::L4));
    assert!(connection.agent.starts_with("meshtcp-proxy "), "{}", connection.agent);
    for weight in [1, 2, 3] {
        control_plane.publish(weight);
        follower.runs(weight).await;
        control_plane.status(ProxyStatus::is_in_sync).await;
    }
    assert!(follower.link.borrow().connected);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_proxys_words_and_ends_with_a_better_set() {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let mut follower = Follower::start(control_plane.address);
    control_plane.publish(1);
    follower.runs(1).await;
    control_plane.publish(13);
    let status = control_plane.status(|status| !status.rejections.is_empty()).await;
    let rejection = &status.rejections[0];
    assert_eq!((rejection.name.as_str(), rejection.message.as_str()), ("out", "out: 13 is unlucky"));
    assert!(!status.is_in_sync());
    control_plane.publish(2);
    follower.runs(2).await;
    control_plane.status(|status| status.is_in_sync() && status.rejections.is_empty()).await;
}

#[tokio::test]
async fn a_restart_of_the_control_plane_changes_and_sends_nothing() {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let mut follower = Follower::start(control_plane.address);
    control_plane.publish(1);
    follower.runs(1).await;
    let address = control_plane.address.to_string();
    drop(control_plane);
    timeout(PATIENCE, follower.link.wait_for(|link| !link.connected)).await.unwrap().unwrap();
    let control_plane = ControlPlane::start(&address).await;
    control_plane.publish(1);
    control_plane.status(ProxyStatus::is_in_sync).await;
    let bytes: u64 = [
        TypeUrl::of::<Cluster>(),
        TypeUrl::of::<Endpoints>(),
        TypeUrl::of::<Route>(),
        TypeUrl::of::<Listener>(),
    ]
    .iter()
    .map(|type_url| control_plane.metrics.bytes_of(type_url))
    .sum();
    assert!(bytes < 500, "four empty answers, not {bytes} bytes");
    assert_eq!(follower.link.borrow().generation, 1, "what runs was not given again");
    control_plane.publish(2);
    follower.runs(2).await;
}

#[tokio::test]
async fn the_newest_stream_of_a_proxy_wins() {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let mut first = Follower::start(control_plane.address);
    control_plane.publish(1);
    first.runs(1).await;
    let mut second = Follower::start(control_plane.address);
    second.runs(1).await;
    let lost = first
        .link
        .wait_for(|link| link.lost.as_ref().is_some_and(|lost| lost.to_string().contains("another stream")));
    timeout(PATIENCE, lost).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_streams_and_proxies_keep_what_they_have() {
    let control_plane = ControlPlane::start("127.0.0.1:0").await;
    let mut follower = Follower::start(control_plane.address);
    control_plane.publish(1);
    follower.runs(1).await;
    control_plane.shutdown.cancel();
    let lost = follower
        .link
        .wait_for(|link| link.lost.as_ref().is_some_and(|lost| lost.to_string().contains("shutting down")));
    timeout(PATIENCE, lost).await.unwrap().unwrap();
    control_plane.status(|status| status.connection.is_none()).await;
    assert_eq!(follower.seen.lock().unwrap().last(), Some(&set(1)));
}
