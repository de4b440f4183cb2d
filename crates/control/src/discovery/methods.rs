//! Common parts of the gRPC services of a control plane: methods by name, and their callers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use super::caller::{Busy, Caller};

/// Future answer to a call.
pub(super) type Answer = BoxFuture<http::Response<Body>, Infallible>;

/// gRPC service that answers methods by name.
pub(super) trait Methods: Clone + Send + Sync + 'static {
    /// Name, with its package.
    const NAME: &'static str;

    /// Answers a call of a method; `None`: the method does not exist.
    fn answer(self, method: &str, call: Call, request: http::Request<Body>) -> Option<Answer>;
}

/// Call of a method.
#[derive(Debug)]
pub(super) struct Call {
    /// Address of the caller; `None`: unknown, in tests.
    pub(super) peer: Option<SocketAddr>,
    /// Guard that keeps the connection open.
    pub(super) busy: Option<Busy>,
}

/// Service as the server calls it.
#[derive(Clone)]
pub(super) struct Served<M>(pub(super) M);

impl<M: Methods> NamedService for Served<M> {
    const NAME: &'static str = M::NAME;
}

impl<M: Methods> Service<http::Request<Body>> for Served<M> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let caller = request.extensions().get::<Caller>();
        let call = Call { peer: caller.map(|caller| caller.address), busy: caller.map(Caller::begin) };
        let path = request.uri().path().to_owned();
        let method = path.rsplit('/').next().unwrap_or_default();
        self.0.clone().answer(method, call, request).unwrap_or_else(|| {
            let status = Status::unimplemented(format!("there is no method `{path}`"));
            Box::pin(std::future::ready(Ok(status.into_http())))
        })
    }
}
