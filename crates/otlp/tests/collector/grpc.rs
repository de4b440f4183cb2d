//! Collector over gRPC.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, async_trait};

use crate::http::Got;

/// Collector over gRPC.
pub(super) struct Collector {
    address: SocketAddr,
    is_tls: bool,
    seen: Seen,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Got>>);

/// Certificate for this host, self-signed, which is stored in `ca.pem` of a folder.
pub(super) fn certificate(folder: &Path) -> Identity {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())
}

impl Collector {
    pub(super) fn start(identity: Option<Identity>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let seen = Seen::default();
        let is_tls = identity.is_some();
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut server = Server::builder();
            if let Some(identity) = identity {
                server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
            }
            let gzip = CompressionEncoding::Gzip;
            let router = server
                .add_service(TraceServiceServer::new(seen.clone()).accept_compressed(gzip))
                .add_service(MetricsServiceServer::new(seen.clone()).accept_compressed(gzip))
                .add_service(LogsServiceServer::new(seen.clone()).accept_compressed(gzip));
            tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
            address
        });
        Self { address, is_tls, seen, _runtime: runtime }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    pub(super) fn got(&self) -> Got {
        self.seen.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().traces(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[async_trait]
impl MetricsService for Seen {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().unwrap().metrics(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}

#[async_trait]
impl LogsService for Seen {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.0.lock().unwrap().logs(request.into_inner());
        Ok(Response::new(Default::default()))
    }
}
