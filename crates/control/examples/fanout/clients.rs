//! Callers that attach, accept everything at once, and report traffic on request.

use std::time::Duration;

use l4::traffic::ROWS_AT_ONCE;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use xds::proto::l4::{TrafficReceived, TrafficReport, TrafficRow};

use super::mesh::proxy;

const METHOD: PathAndQuery = PathAndQuery::from_static(
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
);

const REPORT: PathAndQuery = PathAndQuery::from_static("/meshtcp.l4.v1.Telemetry/Report");

/// New rows per caller and second: two routes with two backends each.
const ROWS: usize = 4;

/// Limit on streams being opened at the same time.
const AT_A_TIME: usize = 200;

/// Opens the streams of all callers. They end when the returned set is dropped, and report while `reporting` is `true`.
pub(crate) async fn attach(callers: usize, address: &str, reporting: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for first in (0..callers).step_by(AT_A_TIME) {
        let (opened, mut all_opened) = mpsc::channel::<()>(1);
        for caller in first..callers.min(first + AT_A_TIME) {
            running.spawn(follow(caller, format!("http://{address}"), opened.clone(), reporting.clone()));
        }
        drop(opened);
        super::progress(callers, &format!("{first} attached"));
        // nothing is ever sent: the channel closes when the last stream is open
        let _ = all_opened.recv().await;
    }
    running
}

async fn follow(caller: usize, address: String, opened: mpsc::Sender<()>, reporting: watch::Receiver<bool>) {
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let reports = channel.clone();
    let (requests, queue) = mpsc::channel(16);
    let mut node = Some(Node { id: proxy(caller).node_id(), ..Node::default() });
    for type_url in [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER] {
        let request = DeltaDiscoveryRequest {
            node: node.take(),
            type_url: type_url.to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            ..Default::default()
        };
        requests.send(request).await.unwrap();
    }
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let responses = grpc.streaming(Request::new(ReceiverStream::new(queue)), METHOD, codec).await.unwrap();
    let mut responses = responses.into_inner();
    drop(opened);
    let mut reporter = JoinSet::new();
    reporter.spawn(report(caller, reports, reporting));
    while let Some(response) = responses.next().await {
        let DeltaDiscoveryResponse { type_url, nonce, .. } = response.unwrap();
        let request = DeltaDiscoveryRequest { type_url, response_nonce: nonce, ..Default::default() };
        requests.send(request).await.unwrap();
    }
}

/// Reports new rows at the requested interval, each caller with a phase of its own.
async fn report(caller: usize, channel: Channel, mut reporting: watch::Receiver<bool>) {
    reporting.wait_for(|reporting| *reporting).await.unwrap();
    let (reports, queue) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(queue));
    request.metadata_mut().insert("meshtcp-node", proxy(caller).node_id().parse().unwrap());
    let (key, value) = TrafficReceived::PACE;
    request.metadata_mut().insert(key, value.parse().unwrap());
    let pace = watch::Sender::new(Duration::from_secs(1));
    let told = pace.subscribe();
    let beat = async move {
        tokio::time::sleep(Duration::from_millis(caller as u64 * 7 % 1000)).await;
        for opened in 1.. {
            let row = |number| TrafficRow {
                route: format!("MeshTCPRoute default/route-{}", number / 2),
                destination: format!("service-{}", number / 2),
                backend: format!("MeshService service-{}-v{}", number / 2, number % 2),
                wanted: Some(0.5),
                chosen: 10 * opened,
                opened: 10 * opened,
                bytes_from_clients: 4_000 * opened,
                bytes_to_clients: 90_000 * opened,
                connect_times: vec![opened, 7 * opened, 2 * opened, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                connect_time_us: 2_000 * opened,
                ..TrafficRow::default()
            };
            const { assert!(ROWS <= ROWS_AT_ONCE) };
            let rows = (0..ROWS).map(row).collect();
            let report =
                TrafficReport { started_us: 1, is_first: opened == 1, rows, left_out: 0, paths: None };
            if !*reporting.borrow() || reports.send(report).await.is_err() {
                return;
            }
            let wait = *told.borrow();
            tokio::time::sleep(wait).await;
        }
    };
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<TrafficReport, TrafficReceived>::default();
    let taken = async {
        let mut answers = grpc.streaming(request, REPORT, codec).await.unwrap().into_inner();
        while let Some(TrafficReceived { every_ms, .. }) = answers.message().await.unwrap() {
            if every_ms > 0 {
                pace.send_replace(Duration::from_millis(every_ms.into()));
            }
        }
    };
    tokio::join!(taken, beat);
}
