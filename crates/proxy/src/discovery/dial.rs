//! Addresses of control planes, and the opening of a stream.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};

const METHOD: PathAndQuery = PathAndQuery::from_static(
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
);

/// Connect timeout, and limit on a connection's silence without a sign of life.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Limit on the size of a response, in bytes: far above what a control plane of ours sends at once.
const RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Error: the address is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is no address of a control plane ({reason}); write e.g. `http://127.0.0.1:5678`")]
pub struct InvalidAddress {
    pub(super) address: String,
    pub(super) reason: String,
}

/// Returns the endpoint of a control plane, with its keepalive settings.
pub(super) fn endpoint(control_plane: &str) -> Result<Endpoint, InvalidAddress> {
    let invalid = |reason: String| InvalidAddress { address: control_plane.to_owned(), reason };
    let endpoint =
        Endpoint::from_shared(control_plane.to_owned()).map_err(|error| invalid(error.to_string()))?;
    if !matches!(endpoint.uri().scheme_str(), Some("http" | "https")) || endpoint.uri().host().is_none() {
        return Err(invalid("no `http://` or `https://` and host".to_owned()));
    }
    Ok(kept_in_touch(endpoint))
}

pub(super) fn kept_in_touch(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
}

pub(super) async fn open(
    channel: Channel,
    queue: mpsc::Receiver<DeltaDiscoveryRequest>,
    who: MetadataMap,
) -> Result<Streaming<DeltaDiscoveryResponse>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(RESPONSE_BYTES);
    grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let mut request = Request::new(ReceiverStream::new(queue));
    *request.metadata_mut() = who;
    let response = grpc.streaming(request, METHOD, codec).await?;
    Ok(response.into_inner())
}

/// Returns the identity of the proxy, and its proof: a proxy rejected for its token has not sent its name on the
/// stream yet.
pub(super) fn introduction(token: Option<AsciiMetadataValue>, node: &Node) -> MetadataMap {
    let mut who = MetadataMap::new();
    if let Some(token) = token {
        who.insert("authorization", token);
    }
    for (key, text) in [("meshtcp-node", Some(node.id.as_str())), ("meshtcp-proxy-type", node.sort())] {
        if let Some(text) = text.and_then(|text| AsciiMetadataValue::try_from(text).ok()) {
            who.insert(key, text);
        }
    }
    who
}

/// Formats an error with its sources: tonic's own words alone are `transport error`.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
