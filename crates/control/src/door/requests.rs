//! HTTP/1 requests of one connection.

use std::time::Duration;

use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{Paced, answers};

/// Limit on the head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// Settings for answering the requests of one connection.
pub(crate) struct Requests {
    pub(crate) router: axum::Router,
    /// Limit on the time that a head takes to arrive, and on the idle time between two requests.
    pub(crate) head: Duration,
    pub(crate) stopping: CancellationToken,
}

impl Requests {
    /// Answers until the caller leaves, is too slow, or the server shuts down. Every request carries `peer`.
    pub(crate) async fn answer<S, P>(self, stream: S, peer: P)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let Self { router, head, stopping } = self;
        let from = peer.clone();
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(from.clone());
            let mut router = router.clone();
            let answered = tower::Service::call(&mut router, request.map(axum::body::Body::new));
            async move { answered.await.map(answers::admit) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES);
        let stream = TokioIo::new(Paced::new(stream, None));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(?peer, %error, "a connection broke");
        }
    }
}
