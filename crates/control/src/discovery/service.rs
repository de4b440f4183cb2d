//! gRPC service of discovery: two methods, each a stream.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::{Delta, StateOfTheWorld};

use super::caller::Busy;
use super::introduction::said_proxy;
use super::methods::{Answer, Call, Methods};
use super::metrics::Reason;
use super::reports::ReportServer;
use super::shared::Shared;
use super::speaks::StreamProtocol;
use super::stream::Stream;
use super::{DiscoveryMetrics, Publisher, Statuses, TokenGate};
use crate::arrivals::Arrivals;
use crate::bootstrap::Bootstraps;
use crate::identity::{Bearer, Issuer};
use crate::telemetry::Telemetry;

/// Limit on the size of a request, in bytes: the default of gRPC. One that names 40 000 clusters fits.
const REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Aggregated discovery service. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct DiscoveryServer {
    shared: Arc<Shared>,
    /// State for the bootstraps of kuma-dps and the Dataplanes that they bring; `None`: there are none, and Dataplanes
    /// must exist before their proxies.
    bootstraps: Option<Bootstraps>,
    /// Destination for the reports of proxies.
    telemetry: Telemetry,
}

impl DiscoveryServer {
    /// Creates a server for the configurations of `publisher` that admits anybody. `instance` is the value of
    /// `control_plane.identifier` in every response, behind `meshtcp@`.
    pub fn new(
        instance: impl Into<Arc<str>>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
    ) -> Self {
        Self::guarded(instance, publisher, statuses, metrics, None, None)
    }

    /// Creates a server as [`DiscoveryServer::new`] does, with a gate for tokens and an issuer of certificates.
    pub fn guarded(
        instance: impl Into<Arc<str>>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
        gate: Option<TokenGate>,
        issuer: Option<Issuer>,
    ) -> Self {
        let shared = Arc::new(Shared::new(instance.into(), publisher, statuses, metrics, gate, issuer));
        Self { shared, bootstraps: None, telemetry: Telemetry::default() }
    }

    /// Serves kuma-dps too: their bootstrap requests, and the Dataplanes that their Envoys bring.
    #[must_use]
    pub fn starting(self, bootstraps: Bootstraps) -> Self {
        Self { bootstraps: Some(bootstraps), ..self }
    }

    /// Takes reports of proxies into the given telemetry.
    #[must_use]
    pub fn reporting(self, telemetry: Telemetry) -> Self {
        Self { telemetry, ..self }
    }

    pub(super) fn reports(&self) -> ReportServer {
        ReportServer { shared: Arc::clone(&self.shared), telemetry: self.telemetry.clone() }
    }

    pub(super) fn bootstraps(&self) -> Option<Bootstraps> {
        self.bootstraps.clone()
    }

    /// Returns a token that ends every stream when it is cancelled.
    pub(super) fn closing(&self) -> CancellationToken {
        self.shared.closing.clone()
    }
}

impl Methods for DiscoveryServer {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";

    fn answer(self, method: &str, call: Call, request: http::Request<Body>) -> Option<Answer> {
        let Self { shared, bootstraps, telemetry: _ } = self;
        let arrivals = bootstraps.map(|it| it.arrivals);
        match method {
            "DeltaAggregatedResources" => Some(Box::pin(open::<Delta>(shared, arrivals, call, request))),
            "StreamAggregatedResources" => {
                Some(Box::pin(open::<StateOfTheWorld>(shared, arrivals, call, request)))
            }
            _ => None,
        }
    }
}

async fn open<P: StreamProtocol>(
    shared: Arc<Shared>,
    arrivals: Option<Arrivals>,
    Call { peer, busy }: Call,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let bearer = match &shared.gate {
        None => None,
        Some(gate) => match gate.bearer(request.headers()).await {
            Ok(bearer) => Some(bearer),
            Err(status) => {
                let who = said_proxy(request.headers()).map(|proxy| proxy.to_string()).unwrap_or_default();
                return Ok(shared.turn_away(Reason::Token, &who, peer, status).into_http());
            }
        },
    };
    let codec = ProstCodec::<P::Response, P::Request>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(REQUEST_BYTES);
    Ok(grpc
        .streaming(Open::<P> { shared, arrivals, peer, busy, bearer, protocol: PhantomData }, request)
        .await)
}

/// Handler that opens a stream of one protocol.
struct Open<P> {
    shared: Arc<Shared>,
    arrivals: Option<Arrivals>,
    peer: Option<SocketAddr>,
    /// Guard that keeps the connection open.
    busy: Option<Busy>,
    bearer: Option<Bearer>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: StreamProtocol> StreamingService<P::Request> for Open<P> {
    type Response = P::Response;
    type ResponseStream = Stream<P>;
    type Future = std::future::Ready<Result<Response<Stream<P>>, Status>>;

    fn call(&mut self, request: Request<Streaming<P::Request>>) -> Self::Future {
        std::future::ready(Ok(Response::new(Stream::new(
            Arc::clone(&self.shared),
            self.arrivals.take(),
            request.into_inner(),
            self.peer,
            self.busy.take(),
            self.bearer.take(),
        ))))
    }
}
