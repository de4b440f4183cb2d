//! What attached proxies report of their connections: a gRPC service beside discovery.
//!
//! A proxy reports on the connection on which it is attached; nobody else reports for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use plan::ProxyId;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{ClientStreamingService, Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::proto::l4::{TrafficReceived, TrafficReport};

use super::caller::{Busy, Caller};
use super::introduction::said_proxy;
use super::shared::Shared;
use crate::telemetry::Telemetry;

/// How large a report may be: 500 rows with names of usual length are a tenth of it.
const REPORT_BYTES: usize = 1024 * 1024;

/// How far two reports are apart at least: who says more waits.
const PACE: Duration = Duration::from_millis(500);

/// Takes reports. Cloning shares everything.
#[derive(Clone, Debug)]
pub(super) struct ReportServer {
    pub(super) shared: Arc<Shared>,
    pub(super) telemetry: Telemetry,
}

impl NamedService for ReportServer {
    const NAME: &'static str = "meshtcp.l4.v1.Telemetry";
}

impl Service<http::Request<Body>> for ReportServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { shared, telemetry } = self.clone();
        Box::pin(async move {
            if !request.uri().path().ends_with("/Report") {
                let status = Status::unimplemented(format!("there is no method `{}`", request.uri().path()));
                return Ok(status.into_http());
            }
            let caller = request.extensions().get::<Caller>();
            let (peer, busy) = (caller.map(|caller| caller.address), caller.map(Caller::begin));
            let proxy = said_proxy(request.headers()).filter(|proxy| shared.is_seated(proxy, peer));
            let Some(proxy) = proxy else {
                shared.metrics.reported(false);
                return Ok(Status::failed_precondition(NOT_ATTACHED).into_http());
            };
            let codec = ProstCodec::<TrafficReceived, TrafficReport>::default();
            let mut grpc = Grpc::new(codec).max_decoding_message_size(REPORT_BYTES);
            let reporting = Reporting { shared, telemetry, proxy, peer, _busy: busy };
            Ok(grpc.client_streaming(reporting, request).await)
        })
    }
}

const NOT_ATTACHED: &str =
    "only a proxy that is attached on this connection may report, under the name that it is attached by";

/// Takes the reports of one stream.
struct Reporting {
    shared: Arc<Shared>,
    telemetry: Telemetry,
    proxy: ProxyId,
    peer: Option<SocketAddr>,
    /// Keeps the connection open.
    _busy: Option<Busy>,
}

impl ClientStreamingService<TrafficReport> for Reporting {
    type Response = TrafficReceived;
    type Future = BoxFuture<Response<TrafficReceived>, Status>;

    fn call(&mut self, request: Request<Streaming<TrafficReport>>) -> Self::Future {
        let (shared, proxy, peer) = (Arc::clone(&self.shared), self.proxy.clone(), self.peer);
        let telemetry = self.telemetry.clone();
        Box::pin(async move {
            let closing = shared.closing.clone();
            let taken = take(&shared, &telemetry, &proxy, peer, request.into_inner());
            match closing.run_until_cancelled(taken).await {
                Some(taken) => taken,
                None => Err(Status::unavailable("the control plane is leaving")),
            }
        })
    }
}

async fn take(
    shared: &Shared,
    telemetry: &Telemetry,
    proxy: &ProxyId,
    peer: Option<SocketAddr>,
    mut reports: Streaming<TrafficReport>,
) -> Result<Response<TrafficReceived>, Status> {
    let reporter = telemetry.attach(proxy.clone());
    let mut taken = 0;
    let mut next = Instant::now();
    while let Some(report) = reports.next().await {
        if !shared.is_seated(proxy, peer) {
            return Err(Status::aborted(NOT_ATTACHED));
        }
        let outcome = match report {
            Ok(report) => reporter.take(report).map_err(|why| Status::invalid_argument(why.to_string())),
            // its connection is gone, or it sent what is no report
            Err(status) => Err(status),
        };
        if let Err(status) = outcome {
            shared.metrics.reported(false);
            tracing::info!(%proxy, %status, "a report was not taken");
            return Err(status);
        }
        shared.metrics.reported(true);
        taken += 1;
        next = next.max(Instant::now()) + PACE;
        sleep_until(next - PACE).await;
    }
    Ok(Response::new(TrafficReceived { reports: taken }))
}
