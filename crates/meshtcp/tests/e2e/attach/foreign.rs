//! Control plane of another product: it accepts any stream, and knows none of our types.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use xds::order::{ENVOY_CLUSTER, L4_CLUSTER};
use xds::proto::discovery::{Any, ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};

use crate::program::eventually;

/// Name by which it identifies itself.
pub(super) const NAME: &str = "another-control-plane-1";

/// Answer of the server to a type that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// An empty answer without a version that removes everything the client has, as from kuma-cp.
    Nothing,
    /// An empty answer with versions that look like ours, and without a name.
    NothingInOurManner,
    /// Clusters; no other type of ours.
    Half,
    /// An answer of another type.
    Otherwise,
    /// An error: the method is not implemented.
    NoMethod,
}

/// The server; dropping it ends it and all its connections.
pub(super) struct Foreign {
    runtime: Option<Runtime>,
}

impl Foreign {
    /// Serves at an address that another server may just have left.
    pub(super) fn start(address: &str, answers: Answers) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut bound = None;
        eventually("the address is free", || {
            bound = TcpListener::bind(address).ok();
            bound.is_some()
        });
        let listener = bound.unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let arriving = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
            let server = tonic::transport::Server::builder().add_service(Server(answers));
            server.serve_with_incoming(arriving).await.unwrap();
        });
        Self { runtime: Some(runtime) }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

#[derive(Clone, Copy)]
struct Server(Answers);

impl NamedService for Server {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl Service<http::Request<Body>> for Server {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let server = *self;
        Box::pin(async move {
            if server.0 == Answers::NoMethod {
                return Ok(Status::unimplemented("no such method here").into_http());
            }
            let codec = ProstCodec::<DeltaDiscoveryResponse, DeltaDiscoveryRequest>::default();
            Ok(Grpc::new(codec).streaming(server, request).await)
        })
    }
}

impl StreamingService<DeltaDiscoveryRequest> for Server {
    type Response = DeltaDiscoveryResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<DeltaDiscoveryRequest>>) -> Self::Future {
        let answers = self.0;
        let first = |request: &DeltaDiscoveryRequest| request.response_nonce.is_empty();
        let asked = request.into_inner().filter_map(Result::ok).filter(move |request| first(request));
        let said = asked.map(move |request| Ok(answer(answers, request)));
        std::future::ready(Ok(Response::new(Box::pin(said))))
    }
}

fn answer(answers: Answers, request: DeltaDiscoveryRequest) -> DeltaDiscoveryResponse {
    let DeltaDiscoveryRequest { type_url, initial_resource_versions, .. } = request;
    let name = ControlPlane { identifier: NAME.into() };
    let nothing = DeltaDiscoveryResponse {
        nonce: type_url.clone(),
        type_url: type_url.clone(),
        removed_resources: initial_resource_versions.into_keys().collect(),
        control_plane: Some(name),
        ..Default::default()
    };
    match answers {
        Answers::NothingInOurManner => DeltaDiscoveryResponse {
            system_version_info: xds::Version::of(b"").to_string(),
            control_plane: None,
            ..nothing
        },
        Answers::Half if type_url == L4_CLUSTER => {
            let resource = Some(Any { type_url, value: Vec::new().into() });
            let resources = vec![Resource { version: "1".into(), resource, name: String::new() }];
            DeltaDiscoveryResponse { resources, ..nothing }
        }
        Answers::Otherwise => DeltaDiscoveryResponse { type_url: ENVOY_CLUSTER.into(), ..nothing },
        Answers::Nothing | Answers::Half | Answers::NoMethod => nothing,
    }
}
