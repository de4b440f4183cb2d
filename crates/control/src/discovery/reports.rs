//! Reports of attached proxies about their traffic and their data paths: a gRPC service beside discovery.
//!
//! A proxy reports on the connection on which it is attached; nobody else reports for it.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use change::paths::ReportedPaths;
use change::traffic::STEP;
use jiff::Timestamp;
use plan::ProxyId;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::proto::l4::{TrafficReceived, TrafficReport};

use super::caller::Busy;
use super::introduction::said_proxy;
use super::methods::{Answer, Call, Methods};
use super::shared::Shared;
use crate::telemetry::{Reporter, Telemetry};

/// Limit on the size of a report, in bytes: 500 rows with names of usual length are a tenth of it.
const REPORT_BYTES: usize = 1024 * 1024;

/// Least time between two reports; a proxy that reports more often is delayed.
const PACE: Duration = Duration::from_millis(500);
/// Initial and shortest interval between the reports of a proxy.
const SHORTEST_PACE: Duration = Duration::from_secs(1);
/// Limit on reports per second from all proxies; beyond that many proxies each reports less often.
const PROXIES_IN_A_SECOND: usize = 200;

/// Server for reports. Cloning shares everything.
#[derive(Clone, Debug)]
pub(super) struct ReportServer {
    pub(super) shared: Arc<Shared>,
    pub(super) telemetry: Telemetry,
}

impl Methods for ReportServer {
    const NAME: &'static str = "meshtcp.l4.v1.Telemetry";

    fn answer(self, method: &str, call: Call, request: http::Request<Body>) -> Option<Answer> {
        (method == "Report").then(|| -> Answer { Box::pin(self.take(call, request)) })
    }
}

impl ReportServer {
    async fn take(
        self,
        Call { peer, busy }: Call,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Infallible> {
        let Self { shared, telemetry } = self;
        let proxy = said_proxy(request.headers()).filter(|proxy| shared.is_seated(proxy, peer));
        let Some(proxy) = proxy else {
            shared.metrics.reported(false);
            return Ok(Status::failed_precondition(NOT_ATTACHED).into_http());
        };
        let codec = ProstCodec::<TrafficReceived, TrafficReport>::default();
        let mut grpc = Grpc::new(codec).max_decoding_message_size(REPORT_BYTES);
        let reporting = Reporting { shared, telemetry, proxy, peer, busy };
        Ok(grpc.streaming(reporting, request).await)
    }
}

const NOT_ATTACHED: &str =
    "only a proxy that is attached on this connection may report, under the name that it is attached by";

/// Handler for the reports of one stream.
struct Reporting {
    shared: Arc<Shared>,
    telemetry: Telemetry,
    proxy: ProxyId,
    peer: Option<SocketAddr>,
    /// Guard that keeps the connection open.
    busy: Option<Busy>,
}

/// Answers on a stream of reports.
type Answers = ReceiverStream<Result<TrafficReceived, Status>>;

impl StreamingService<TrafficReport> for Reporting {
    type Response = TrafficReceived;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<TrafficReport>>) -> Self::Future {
        let (key, value) = TrafficReceived::PACE;
        let takes_pace = request.metadata().get(key).is_some_and(|said| said == value);
        // room for one of each sort: a reader that is slow gets the last one
        let (answers, told) = mpsc::channel(2);
        let pace = takes_pace.then(|| answers.clone());
        let (shared, proxy, peer) = (Arc::clone(&self.shared), self.proxy.clone(), self.peer);
        let (telemetry, busy) = (self.telemetry.clone(), self.busy.take());
        tokio::spawn(async move {
            let closing = shared.closing.clone();
            let taken = take(&shared, &telemetry, &proxy, peer, pace, request.into_inner());
            let taken = closing.run_until_cancelled(taken).await;
            if !telemetry.is_reporting(&proxy) {
                shared.statuses.stopped_reporting(&proxy);
            }
            let leaving = || Err(Status::unavailable("the control plane is leaving"));
            // the reporter may have gone
            let _ = answers.send(taken.unwrap_or_else(leaving)).await;
            drop(busy);
        });
        std::future::ready(Ok(Response::new(ReceiverStream::new(told))))
    }
}

/// Takes reports until they end. `pace`: channel for the wanted interval; `None`: the proxy does not ask for it.
async fn take(
    shared: &Shared,
    telemetry: &Telemetry,
    proxy: &ProxyId,
    peer: Option<SocketAddr>,
    pace: Option<mpsc::Sender<Result<TrafficReceived, Status>>>,
    mut reports: Streaming<TrafficReport>,
) -> Result<TrafficReceived, Status> {
    let reporter = telemetry.attach(proxy.clone());
    let mut taken = 0;
    let mut next = Instant::now();
    let mut told = SHORTEST_PACE;
    while let Some(report) = reports.next().await {
        if !shared.is_seated(proxy, peer) {
            return Err(Status::aborted(NOT_ATTACHED));
        }
        let outcome = match report {
            Ok(report) => take_one(shared, proxy, &reporter, report),
            // its connection is gone, or it sent no valid report
            Err(status) => Err(status),
        };
        let reporting = match outcome {
            Ok(reporting) => reporting,
            Err(status) => {
                shared.metrics.reported(false);
                tracing::info!(%proxy, %status, "a report was not taken");
                return Err(status);
            }
        };
        shared.metrics.reported(true);
        taken += 1;
        let wanted = pace_of(reporting);
        if let Some(pace) = pace.as_ref().filter(|_| wanted != told) {
            let every_ms = u32::try_from(wanted.as_millis()).unwrap_or(u32::MAX);
            // a slow reader gets it with a later report
            if pace.try_send(Ok(TrafficReceived { reports: taken, every_ms })).is_ok() {
                told = wanted;
            }
        }
        next = next.max(Instant::now()) + PACE;
        sleep_until(next - PACE).await;
    }
    Ok(TrafficReceived { reports: taken, every_ms: 0 })
}

/// Takes one report: its counters, and the data paths that it has. Returns the number of proxies that report.
fn take_one(
    shared: &Shared,
    proxy: &ProxyId,
    reporter: &Reporter,
    mut report: TrafficReport,
) -> Result<usize, Status> {
    let unfit = |why: &dyn Display| Status::invalid_argument(why.to_string());
    let paths = report.paths.take().map(|paths| ReportedPaths::read(paths, Timestamp::now())).transpose();
    let paths = paths.map_err(|why| unfit(&why))?;
    let reporting = reporter.take(report).map_err(|why| unfit(&why))?;
    if let Some(paths) = paths {
        shared.statuses.reported_paths(proxy, paths);
    }
    Ok(reporting)
}

/// Interval between the reports of a proxy, given the number of reporting proxies: 200 reports are taken per second,
/// and none is older than a step of a history.
fn pace_of(reporting: usize) -> Duration {
    let seconds = u64::try_from(reporting.div_ceil(PROXIES_IN_A_SECOND)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).clamp(SHORTEST_PACE, STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_many_report_each_does_it_less_often() {
        let seconds = [0, 1, 200, 201, 400, 900, 1_000, 50_000].map(|number| pace_of(number).as_secs());
        assert_eq!(seconds, [1, 1, 1, 2, 2, 5, 5, 5]);
    }
}
