//! Callers that attach and accept everything at once.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;
use xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};

use super::mesh::proxy;

const METHOD: PathAndQuery = PathAndQuery::from_static(
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
);

/// How many connections are opened at a time.
const AT_A_TIME: usize = 200;

/// Opens the streams of all callers. They end when what is returned is dropped.
pub(crate) async fn attach(callers: usize, address: &str) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for first in (0..callers).step_by(AT_A_TIME) {
        let (opened, mut all_opened) = mpsc::channel::<()>(1);
        for caller in first..callers.min(first + AT_A_TIME) {
            running.spawn(follow(caller, format!("http://{address}"), opened.clone()));
        }
        drop(opened);
        super::progress(callers, &format!("{first} attached"));
        // nothing is ever sent: the channel closes when the last stream is open
        let _ = all_opened.recv().await;
    }
    running
}

async fn follow(caller: usize, address: String, opened: mpsc::Sender<()>) {
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
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
    while let Some(response) = responses.next().await {
        let DeltaDiscoveryResponse { type_url, nonce, .. } = response.unwrap();
        let request = DeltaDiscoveryRequest { type_url, response_nonce: nonce, ..Default::default() };
        requests.send(request).await.unwrap();
    }
}
