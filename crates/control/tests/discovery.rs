//! Tests of the discovery service with invalid requests, and of the state that it keeps for unknown clients.

#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use change::paths::TakenPath as KnownPath;
use change::traffic::TrafficQuestion;
use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use meshtcp_control::telemetry::Telemetry;
use plan::ProxyId;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::order::{ENVOY_CLUSTER, L4_CLUSTER};
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, MetadataValue, Node};
use xds::proto::l4::{OutboundPath, OutboundPaths, TakenPath, TrafficReceived, TrafficReport, TrafficRow};
use xds::{Family, ResourceSet};

const SERVICE: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";

struct Server {
    address: SocketAddr,
    publisher: Arc<Publisher>,
    statuses: Arc<Statuses>,
    telemetry: Telemetry,
    _end: tokio_util::sync::DropGuard,
}

async fn server() -> Server {
    server_counting(DiscoveryMetrics::default()).await
}

async fn server_counting(metrics: DiscoveryMetrics) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (publisher, statuses) = (Arc::new(Publisher::default()), Arc::new(Statuses::default()));
    let telemetry = Telemetry::default();
    let server = DiscoveryServer::new("test", publisher.clone(), statuses.clone(), metrics)
        .reporting(telemetry.clone());
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, None, server, shutdown.clone(), Duration::ZERO));
    Server { address, publisher, statuses, telemetry, _end: shutdown.drop_guard() }
}

impl Server {
    /// Opens a stream with these requests, and leaves it open.
    async fn open(
        &self,
        method: &str,
        requests: Vec<DeltaDiscoveryRequest>,
    ) -> Result<(mpsc::Sender<DeltaDiscoveryRequest>, Streaming<DeltaDiscoveryResponse>), Status> {
        self.open_on(self.connect().await, method, requests).await
    }

    async fn connect(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    async fn open_on(
        &self,
        channel: Channel,
        method: &str,
        requests: Vec<DeltaDiscoveryRequest>,
    ) -> Result<(mpsc::Sender<DeltaDiscoveryRequest>, Streaming<DeltaDiscoveryResponse>), Status> {
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let (sender, queue) = mpsc::channel(16);
        for request in requests {
            sender.send(request).await.unwrap();
        }
        let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
        let path = PathAndQuery::try_from(format!("{SERVICE}{method}")).unwrap();
        let response = grpc.streaming(Request::new(ReceiverStream::new(queue)), path, codec).await?;
        Ok((sender, response.into_inner()))
    }

    async fn delta(&self, requests: Vec<DeltaDiscoveryRequest>) -> Result<DeltaDiscoveryResponse, Status> {
        let (_open, mut responses) = self.open("DeltaAggregatedResources", requests).await?;
        responses.message().await.map(Option::unwrap)
    }
}

fn request(node_id: &str, type_url: &str) -> DeltaDiscoveryRequest {
    let node = (!node_id.is_empty()).then(|| Node { id: node_id.into(), ..Node::default() });
    DeltaDiscoveryRequest { node, type_url: type_url.into(), ..Default::default() }
}

#[tokio::test]
async fn wrong_requests_end_the_stream_with_the_reason() {
    let server = server().await;
    let cases = [
        (vec![request("", ENVOY_CLUSTER)], "`node.id`"),
        (vec![request("nodots", ENVOY_CLUSTER)], "`<mesh>.<dataplane name>`"),
        (vec![request("default.web-1", "")], "`type_url`"),
        (
            vec![request("default.web-1", ENVOY_CLUSTER), request("default.web-2", ENVOY_CLUSTER)],
            "`default.web-2`",
        ),
        (vec![request("default.web-1", "type.googleapis.com/meshtcp.l4.v2.Cluster")], "not spoken here"),
    ];
    for (requests, reason) in cases {
        let status = server.delta(requests).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(reason), "{}", status.message());
    }
}

#[tokio::test]
async fn who_cannot_be_served_throws_nobody_out() {
    let server = server().await;
    let known = vec![request("default.web-1", L4_CLUSTER)];
    let (_open, mut responses) = server.open("DeltaAggregatedResources", known).await.unwrap();
    let proxy = ProxyId::dataplane("default", "web-1");
    server.statuses.changes().wait_for(|_| server.statuses.get(&proxy).is_some()).await.unwrap();
    server.delta(vec![request("default.web-1", "type.googleapis.com/no.such.Type")]).await.unwrap_err();
    let mut set = ResourceSet::default();
    set.insert(xds::TypeUrl::new(L4_CLUSTER), "a", *b"");
    server.publisher.publish(&proxy, Family::L4, Arc::new(set));
    assert_eq!(responses.message().await.unwrap().unwrap().resources[0].name, "a");
}

#[tokio::test]
async fn another_method_is_not_implemented() {
    let status = server().await.open("FetchAll", vec![]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn the_dialect_follows_from_the_types_that_are_asked_for() {
    let server = server().await;
    let proxy = ProxyId::dataplane("default", "web-1");
    for (family, type_url) in [(Family::Envoy, ENVOY_CLUSTER), (Family::L4, L4_CLUSTER)] {
        let mut set = ResourceSet::default();
        set.insert(xds::TypeUrl::new(type_url), family.as_str(), *b"");
        server.publisher.publish(&proxy, family, Arc::new(set));
        let response = server.delta(vec![request("default.web-1", type_url)]).await.unwrap();
        assert_eq!(response.resources[0].name, family.as_str());
        assert_eq!(response.control_plane.unwrap().identifier, "meshtcp@test");
    }
}

#[tokio::test]
async fn a_proxy_that_nothing_was_published_for_leaves_no_trace() {
    let server = server().await;
    let proxy = ProxyId::dataplane("default", "made-up");
    let mut changes = server.statuses.changes();
    let (requests, responses) =
        server.open("DeltaAggregatedResources", vec![request("default.made-up", L4_CLUSTER)]).await.unwrap();
    changes.wait_for(|_| server.statuses.get(&proxy).is_some()).await.unwrap();
    assert_eq!(server.publisher.wanted(), [(proxy.clone(), Family::L4)]);
    drop((requests, responses));
    changes.wait_for(|_| server.statuses.get(&proxy).is_none()).await.unwrap();
    assert!(server.publisher.wanted().is_empty());
}

#[tokio::test]
async fn an_oversized_request_is_refused_and_what_a_node_calls_itself_is_cut() {
    let server = server().await;
    let large = DeltaDiscoveryRequest {
        resource_names_subscribe: (0..900_000).map(|number| format!("{number:x}")).collect(),
        ..request("default.web-1", L4_CLUSTER)
    };
    let status = server.delta(vec![large]).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let status = server.delta(vec![request(&"d.".repeat(100_000), L4_CLUSTER)]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().len() < 1000, "{}", status.message().len());

    let mut talkative = request("default.web-1", L4_CLUSTER);
    let node = talkative.node.as_mut().unwrap();
    (node.user_agent_name, node.user_agent_version) = ("A".repeat(1 << 20), "9".repeat(1 << 20));
    let _open = server.open("DeltaAggregatedResources", vec![talkative]).await.unwrap();
    let proxy = ProxyId::dataplane("default", "web-1");
    server.statuses.changes().wait_for(|_| server.statuses.get(&proxy).is_some()).await.unwrap();
    let agent = server.statuses.get(&proxy).unwrap().connection.unwrap().agent;
    assert!(agent.len() <= 200, "{}", agent.len());
}

#[tokio::test]
async fn what_a_stream_asks_for_is_bounded_however_many_requests_say_it() {
    let server = server().await;
    let asks = |first: usize| DeltaDiscoveryRequest {
        resource_names_subscribe: (first..first + 20_000).map(|number| format!("{number:0120}")).collect(),
        ..request("default.web-1", L4_CLUSTER)
    };
    let (requests, mut responses) =
        server.open("DeltaAggregatedResources", vec![asks(0), asks(20_000)]).await.unwrap();
    // the same names again do not count twice
    requests.send(asks(0)).await.unwrap();
    for more in 2..6 {
        let _ = requests.send(asks(20_000 * more)).await;
    }
    let status = loop {
        match responses.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a word"),
            Err(status) => break status,
        }
    };
    assert!(status.message().contains("more than 16 MiB"), "{status}");
}

#[tokio::test]
async fn all_streams_share_a_budget_for_names_that_nothing_is_published_under() {
    let metrics = DiscoveryMetrics::default().with_names(1 << 20);
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let server = server_counting(metrics).await;
    let asks = |proxy: &str, names: usize| DeltaDiscoveryRequest {
        resource_names_subscribe: (0..names).map(|number| format!("{number:0100}")).collect(),
        ..request(proxy, L4_CLUSTER)
    };
    let (_open, _waits) =
        server.open("DeltaAggregatedResources", vec![asks("default.stranger", 3000)]).await.unwrap();
    let count = |family: &str| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(family)?.trim().parse::<u64>().ok());
        found.unwrap_or_else(|| panic!("{text}"))
    };
    while count("discovery_unpublished_names_bytes") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = server.delta(vec![asks("default.another", 3000)]).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("may take 1 MiB together"), "{status}");
    assert_eq!(count("discovery_turned_away_total{reason=\"names\"}"), 1);
    // what is published is served all the same
    let mut set = ResourceSet::default();
    (0..3000).for_each(|number| set.insert(xds::TypeUrl::new(L4_CLUSTER), format!("{number:0100}"), *b""));
    server.publisher.publish(&ProxyId::dataplane("default", "web-1"), Family::L4, Arc::new(set));
    let response = server.delta(vec![asks("default.web-1", 3000)]).await.unwrap();
    assert_eq!(response.resources.len(), 3000);
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_others_wait() {
    let server = server().await;
    let channel = server.connect().await;
    let asks = |number: usize| vec![request(&format!("default.web-{number}"), L4_CLUSTER)];
    let mut open = Vec::new();
    for number in 0..64 {
        open.push(server.open_on(channel.clone(), "DeltaAggregatedResources", asks(number)).await.unwrap());
    }
    let one_more = server.open_on(channel.clone(), "DeltaAggregatedResources", asks(64));
    tokio::pin!(one_more);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut one_more).await.is_err());
    open.pop();
    one_more.await.unwrap();
}

#[tokio::test]
async fn what_a_proxy_says_of_itself_is_kept_as_far_as_it_fits() {
    let server = server().await;
    let says = |more: usize| {
        let version = MetadataValue::from([
            ("kumaDp", [("version", "2.14.3".into())].into()),
            ("envoy", [("version", "1.40.0".into())].into()),
        ]);
        let features: &[&str] = &["feature-reuse-port"];
        let node = Node { id: "default.web-1".into(), user_agent_name: "envoy".into(), ..Node::default() };
        let node =
            node.telling("version", version).telling("features", features).telling("dnsPort", 15_053_u16);
        let node = node.telling("ipv6Enabled", false).telling("nothing", MetadataValue::default());
        DeltaDiscoveryRequest {
            node: Some(node.telling("workdir", &*"x".repeat(more))),
            ..request("", ENVOY_CLUSTER)
        }
    };
    let proxy = ProxyId::dataplane("default", "web-1");
    for (more, is_kept) in [(4, true), (20 * 1024, false)] {
        let (requests, responses) = server.open("DeltaAggregatedResources", vec![says(more)]).await.unwrap();
        let mut changes = server.statuses.changes();
        let attached = |_: &u64| server.statuses.get(&proxy).is_some_and(|it| it.connection.is_some());
        changes.wait_for(attached).await.unwrap();
        let connection = server.statuses.get(&proxy).unwrap().connection.unwrap();
        assert_eq!(connection.program(), "envoy 1.40.0, started by kuma-dp 2.14.3");
        let said = json!({
            "version": { "kumaDp": { "version": "2.14.3" }, "envoy": { "version": "1.40.0" } },
            "features": ["feature-reuse-port"], "dnsPort": 15_053, "ipv6Enabled": false, "nothing": null,
            "workdir": "xxxx",
        });
        assert_eq!(connection.metadata.as_deref(), is_kept.then_some(&said));
        let told = serde_json::to_value(&connection).unwrap();
        assert_eq!((&told["kumaDp"], told.get("metadata")), (&json!("2.14.3"), None), "others are told less");
        drop((requests, responses));
        changes.wait_for(|_| server.statuses.get(&proxy).is_none()).await.unwrap();
    }
}

#[tokio::test]
async fn of_a_long_refusal_the_beginning_is_kept() {
    let server = server().await;
    let proxy = ProxyId::dataplane("default", "web-1");
    let mut set = ResourceSet::default();
    set.insert(xds::TypeUrl::new(L4_CLUSTER), "a", *b"");
    server.publisher.publish(&proxy, Family::L4, Arc::new(set));
    let known = vec![request("default.web-1", L4_CLUSTER)];
    let (requests, mut responses) = server.open("DeltaAggregatedResources", known).await.unwrap();
    let nonce = responses.message().await.unwrap().unwrap().nonce;
    let refusal = xds::proto::discovery::Status { code: 13, message: format!("a: {}", "no".repeat(50_000)) };
    let refused = DeltaDiscoveryRequest {
        response_nonce: nonce,
        error_detail: Some(refusal),
        ..request("", L4_CLUSTER)
    };
    requests.send(refused).await.unwrap();
    let is_told = |_: &u64| server.statuses.get(&proxy).is_some_and(|it| !it.rejections.is_empty());
    server.statuses.changes().wait_for(is_told).await.unwrap();
    let message = &server.statuses.get(&proxy).unwrap().rejections[0].message;
    assert!(message.starts_with("a: no") && message.len() < 4200, "{}", message.len());
}

#[tokio::test]
async fn who_asks_nothing_is_sent_away_and_others_stay() {
    let server = server().await;
    let mut silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (_open, mut nameless) = server.open("DeltaAggregatedResources", vec![]).await.unwrap();
    let known = vec![request("default.web-1", L4_CLUSTER)];
    let (_requests, mut responses) = server.open("DeltaAggregatedResources", known).await.unwrap();
    let status = nameless.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let mut heard = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut heard);
    let _ = tokio::time::timeout(Duration::from_secs(30), read).await.expect("it is closed");
    // longer than the limit on connections without requests
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut set = ResourceSet::default();
    set.insert(xds::TypeUrl::new(L4_CLUSTER), "a", *b"");
    server.publisher.publish(&ProxyId::dataplane("default", "web-1"), Family::L4, Arc::new(set));
    assert_eq!(responses.message().await.unwrap().unwrap().resources[0].name, "a");
}

/// Reports under a name, and returns the final result.
async fn report(channel: Channel, name: &str, reports: Vec<TrafficReport>) -> Result<u64, Code> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<TrafficReport, TrafficReceived>::default();
    let mut request = Request::new(tokio_stream::iter(reports));
    request.metadata_mut().insert("meshtcp-node", name.parse().unwrap());
    let path = PathAndQuery::from_static("/meshtcp.l4.v1.Telemetry/Report");
    let received = grpc.client_streaming(request, path, codec).await;
    received.map(|received| received.into_inner().reports).map_err(|status| status.code())
}

#[tokio::test]
async fn only_who_is_attached_reports_and_only_what_a_proxy_says() {
    let server = server().await;
    let key = ProxyId::dataplane("default", "web-1");
    server.publisher.publish(&key, Family::L4, Arc::new(ResourceSet::default()));
    let said = |opened, rows| TrafficReport {
        started_us: 4_000_000_000_000_000,
        is_first: true,
        rows: vec![
            TrafficRow {
                destination: "redis".into(),
                backend: "v1".into(),
                opened,
                ..Default::default()
            };
            rows
        ],
        left_out: 0,
        paths: None,
    };
    let channel = server.connect().await;
    let nobody = report(channel.clone(), "default.web-1", vec![said(7, 1)]).await;
    assert_eq!(nobody, Err(Code::FailedPrecondition), "it is not attached");
    let attaching = vec![request("default.web-1", L4_CLUSTER)];
    let (_open, mut told) =
        server.open_on(channel.clone(), "DeltaAggregatedResources", attaching).await.unwrap();
    told.message().await.unwrap();

    let page = |size| server.telemetry.page(&TrafficQuestion { size, ..TrafficQuestion::default() });
    assert_eq!(report(channel.clone(), "default.web-1", vec![said(7, 1), said(9, 1)]).await, Ok(2));
    assert_eq!(page(1).items[0].counts.opened, 9);
    let strangers = [(server.connect().await, "default.web-1"), (channel.clone(), "default.web-2")];
    for (from, name) in strangers {
        let refused = report(from, name, vec![said(1_000, 1)]).await;
        assert_eq!(refused, Err(Code::FailedPrecondition), "{name}");
    }
    assert_eq!(
        report(channel.clone(), "default.web-1", vec![said(1_000, 501)]).await,
        Err(Code::InvalidArgument)
    );
    let long = TrafficRow { destination: "x".repeat(2 * 1024 * 1024), ..TrafficRow::default() };
    let huge = TrafficReport { rows: vec![long], ..said(0, 0) };
    assert_eq!(report(channel, "default.web-1", vec![huge]).await, Err(Code::OutOfRange));
    assert_eq!((page(1).items[0].counts.opened, page(1).reporting), (9, 0));
}

/// Data paths of outbounds as a proxy says them.
fn paths(outbounds: &[(&str, &str)]) -> TrafficReport {
    let outbounds = outbounds.iter().map(|(listener, why)| OutboundPath {
        listener: (*listener).to_owned(),
        path: if why.is_empty() { TakenPath::Kernel } else { TakenPath::Relay } as i32,
        why: (*why).to_owned(),
    });
    let paths = OutboundPaths { outbounds: outbounds.collect(), left_out: 0 };
    TrafficReport { is_first: true, paths: Some(paths), ..TrafficReport::default() }
}

#[tokio::test]
async fn paths_are_those_of_the_last_report_and_stale_once_nobody_reports() {
    let server = server().await;
    let key = ProxyId::dataplane("default", "web-1");
    server.publisher.publish(&key, Family::L4, Arc::new(ResourceSet::default()));
    let channel = server.connect().await;
    let attaching = || vec![request("default.web-1", L4_CLUSTER)];
    let attached = server.open_on(channel.clone(), "DeltaAggregatedResources", attaching()).await;
    let (open, mut told) = attached.unwrap();
    told.message().await.unwrap();
    let known = || server.statuses.get(&key).unwrap().paths;
    assert_eq!(known(), None, "what was not said is not known");
    // of an older proxy
    assert_eq!(report(channel.clone(), "default.web-1", vec![TrafficReport::default()]).await, Ok(1));
    assert_eq!(known(), None);

    // the reports of a stream that goes on are fresh
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let (reports, queue) = mpsc::channel(2);
    let mut asks = Request::new(ReceiverStream::new(queue));
    asks.metadata_mut().insert("meshtcp-node", "default.web-1".parse().unwrap());
    let path = PathAndQuery::from_static("/meshtcp.l4.v1.Telemetry/Report");
    let codec = ProstCodec::<TrafficReport, TrafficReceived>::default();
    let reporting = tokio::spawn(async move { grpc.client_streaming(asks, path, codec).await.map(drop) });
    let mut changes = server.statuses.changes();
    reports.send(paths(&[("outbound:1", ""), ("outbound:2", "it is asked for")])).await.unwrap();
    changes.wait_for(|_| known().is_some()).await.unwrap();
    let first = known().unwrap();
    assert_eq!(KnownPath::ALL.map(|path| first.count(path)), [1, 1]);
    assert_eq!((first.stale, first.outbounds[1].why.as_deref()), (false, Some("it is asked for")));
    // counters that are reported later say nothing about paths
    reports.send(TrafficReport::default()).await.unwrap();
    reports.send(paths(&[("outbound:1", "")])).await.unwrap();
    changes.wait_for(|_| known().is_some_and(|paths| paths.outbounds.len() == 1)).await.unwrap();
    drop(reports);
    reporting.await.unwrap().unwrap();
    changes.wait_for(|_| known().is_some_and(|paths| paths.stale)).await.unwrap();
    assert_eq!(known().unwrap().outbounds.len(), 1, "what was known last is still shown");

    let too_long = paths(&[("outbound:1", &"x".repeat(2_000))]);
    assert_eq!(report(channel.clone(), "default.web-1", vec![too_long]).await, Err(Code::InvalidArgument));
    let of_another = report(server.connect().await, "default.web-1", vec![paths(&[])]).await;
    assert_eq!(of_another, Err(Code::FailedPrecondition));
    assert_eq!(known().unwrap().outbounds.len(), 1);

    // whoever attaches next may be another process
    drop((open, told));
    changes.wait_for(|_| server.statuses.get(&key).unwrap().connection.is_none()).await.unwrap();
    assert!(known().unwrap().stale);
    let (_open, mut told) = server.open_on(channel, "DeltaAggregatedResources", attaching()).await.unwrap();
    told.message().await.unwrap();
    assert_eq!(known(), None);
}
