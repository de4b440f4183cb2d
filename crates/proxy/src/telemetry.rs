//! Telemetry: reports about connections and data paths to the control plane that the proxy follows, on the connection
//! of discovery.
//!
//! Reports with the latest changes are sent once a second, or less often if the control plane has many proxies.
//! Without support for reports the proxy works without.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use l4::counts::CounterSnapshot;
use l4::traffic::ReportBuilder;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use xds::proto::l4::{OutboundPaths, TrafficReceived, TrafficReport};

const METHOD: PathAndQuery = PathAndQuery::from_static("/meshtcp.l4.v1.Telemetry/Report");

/// Default interval of reports.
const BEAT: Duration = Duration::from_secs(1);

/// Limit on the interval that a control plane may request.
const LONGEST: Duration = Duration::from_secs(60);

/// Pause before a control plane that did not accept reports is tried again.
const PAUSE: Duration = Duration::from_secs(30);

/// Telemetry of the proxy.
pub(crate) struct Telemetry {
    /// Time when counting began.
    started: Timestamp,
    counted: Box<dyn Fn() -> CounterSnapshot + Send + Sync>,
    /// Data paths of all outbounds now.
    paths: Box<dyn Fn() -> OutboundPaths + Send + Sync>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Telemetry {
    pub(crate) fn new(
        started: Timestamp,
        counted: impl Fn() -> CounterSnapshot + Send + Sync + 'static,
        paths: impl Fn() -> OutboundPaths + Send + Sync + 'static,
    ) -> Self {
        Self { started, counted: Box::new(counted), paths: Box::new(paths) }
    }

    /// Reports for as long as it is polled. `who`: the identity of this proxy, as on the stream of discovery.
    pub(crate) async fn report(&self, channel: Channel, who: MetadataMap) -> Infallible {
        loop {
            let status = self.stream(channel.clone(), who.clone()).await;
            match status.code() {
                // an older control plane
                Code::Unimplemented => {
                    tracing::debug!("the control plane takes no reports");
                    pending().await
                }
                _ => tracing::info!(%status, retry_in = ?PAUSE, "the control plane does not take reports"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Reports on one stream. Returns why it ended.
    async fn stream(&self, channel: Channel, who: MetadataMap) -> Status {
        let (reports, queue) = mpsc::channel(1);
        let mut request = Request::new(ReceiverStream::new(queue));
        *request.metadata_mut() = who;
        let (key, value) = TrafficReceived::PACE;
        request.metadata_mut().insert(key, MetadataValue::from_static(value));
        let mut grpc = tonic::client::Grpc::new(channel);
        let pace = watch::Sender::new(BEAT);
        let answered = async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<TrafficReport, TrafficReceived>::default();
            let mut answers = grpc.streaming(request, METHOD, codec).await?.into_inner();
            while let Some(TrafficReceived { reports: _, every_ms }) = answers.message().await? {
                if every_ms > 0 {
                    pace.send_replace(Duration::from_millis(every_ms.into()).clamp(BEAT, LONGEST));
                }
            }
            Ok::<_, Status>(())
        };
        tokio::select! {
            answered = answered => answered.err().unwrap_or_else(|| Status::cancelled("it ended the stream")),
            () = self.beat(reports, &pace) => Status::cancelled("the connection was closed"),
        }
    }

    async fn beat(&self, reports: mpsc::Sender<TrafficReport>, pace: &watch::Sender<Duration>) {
        let mut reporter = ReportBuilder::new(self.started);
        loop {
            // there may be no room for it yet: changes meanwhile are part of the next report
            let Ok(place) = reports.reserve().await else { return };
            if let Some(report) = reporter.report(&(self.counted)(), Some((self.paths)())) {
                place.send(report);
            }
            // a slow control plane gets no more reports at once
            let wait = *pace.borrow();
            sleep(wait).await;
        }
    }
}
