//! The gRPC service: two methods, each a stream.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use model::ProxyKey;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::{Delta, Memory, StateOfTheWorld};

use super::stream::{Speaks, Stream};
use super::{DiscoveryMetrics, Publisher, Statuses, TokenGate};
use crate::identity::Bearer;

/// How large a request may be: one that names 100 000 clusters fits.
const REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// The aggregated discovery service. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct DiscoveryServer {
    shared: Arc<Shared>,
}

/// What all streams share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) instance: Arc<str>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) statuses: Arc<Statuses>,
    pub(super) metrics: DiscoveryMetrics,
    /// Who may attach; `None`: anybody.
    pub(super) gate: Option<TokenGate>,
    /// Cancelled when every stream has to end.
    pub(super) closing: CancellationToken,
    /// Counts streams, so that each has a number of its own.
    opened: AtomicU64,
    // Held to look up or replace one seat.
    seats: Mutex<BTreeMap<ProxyKey, Seat>>,
}

/// The place of a proxy's one stream.
#[derive(Debug, Default)]
struct Seat {
    /// The stream that sits here.
    number: u64,
    /// Cancelled when a newer stream sits down.
    replaced: CancellationToken,
    memory: Memory,
}

impl DiscoveryServer {
    /// Serves what `publisher` has, to anybody. `instance` is what `control_plane.identifier` says in every response,
    /// behind `meshtcp@`.
    pub fn new(
        instance: impl Into<Arc<str>>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
    ) -> Self {
        Self::guarded(instance, publisher, statuses, metrics, None)
    }

    /// As [`DiscoveryServer::new`], for those whom a gate lets in.
    pub fn guarded(
        instance: impl Into<Arc<str>>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
        gate: Option<TokenGate>,
    ) -> Self {
        let shared = Shared {
            instance: instance.into(),
            publisher,
            statuses,
            metrics,
            gate,
            closing: CancellationToken::new(),
            opened: AtomicU64::new(0),
            seats: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ends every stream when it is cancelled.
    pub(super) fn closing(&self) -> CancellationToken {
        self.shared.closing.clone()
    }
}

impl Shared {
    /// Gives a proxy's seat to a new stream and ends the one before. Returns the number of the stream, the token that
    /// ends it, and what the proxy's last stream left.
    pub(super) fn sit_down(&self, proxy: &ProxyKey) -> (u64, CancellationToken, Memory) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = seats.entry(proxy.clone()).or_default();
        seat.number = self.opened.fetch_add(1, Relaxed);
        std::mem::take(&mut seat.replaced).cancel();
        (seat.number, seat.replaced.clone(), std::mem::take(&mut seat.memory))
    }

    /// Leaves a memory for the proxy's next stream; one that has none leaves nothing. Returns false when the next
    /// sits there already.
    pub(super) fn stand_up(&self, proxy: &ProxyKey, number: u64, memory: Option<Memory>) -> bool {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seat) = seats.get_mut(proxy).filter(|seat| seat.number == number) else { return false };
        match memory {
            Some(memory) => seat.memory = memory,
            None => drop(seats.remove(proxy)),
        }
        true
    }
}

impl NamedService for DiscoveryServer {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for DiscoveryServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let path = request.uri().path();
        match path.rsplit('/').next() {
            Some("DeltaAggregatedResources") => Box::pin(open::<Delta>(shared, request)),
            Some("StreamAggregatedResources") => Box::pin(open::<StateOfTheWorld>(shared, request)),
            _ => {
                let status = Status::unimplemented(format!("there is no method `{path}`"));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}

async fn open<P: Speaks>(
    shared: Arc<Shared>,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let bearer = match &shared.gate {
        None => None,
        Some(gate) => match gate.bearer(request.headers()).await {
            Ok(bearer) => Some(bearer),
            Err(status) => return Ok(status.into_http()),
        },
    };
    let codec = ProstCodec::<P::Response, P::Request>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(REQUEST_BYTES);
    Ok(grpc.streaming(Open::<P> { shared, bearer, protocol: PhantomData }, request).await)
}

/// Opens a stream of one protocol.
struct Open<P> {
    shared: Arc<Shared>,
    bearer: Option<Bearer>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Speaks> StreamingService<P::Request> for Open<P> {
    type Response = P::Response;
    type ResponseStream = Stream<P>;
    type Future = std::future::Ready<Result<Response<Stream<P>>, Status>>;

    fn call(&mut self, request: Request<Streaming<P::Request>>) -> Self::Future {
        let peer = request.remote_addr();
        std::future::ready(Ok(Response::new(Stream::new(
            Arc::clone(&self.shared),
            request.into_inner(),
            peer,
            self.bearer.take(),
        ))))
    }
}
