//! The listener: plaintext or TLS, with limits for those who take their time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Api;
use crate::certificate::{Certificate, shake_hands};
use crate::guard::task_again;
use crate::listen::next_connection;

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How much of a request's head is read.
const HEAD_BYTES: usize = 64 * 1024;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) way: Way,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

/// The way that a connection came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Over the network, from this address.
    Network(SocketAddr),
    /// Through the Unix socket, by a process of our own user or of root.
    Socket,
}

/// Serves the API on a bound listener until `shutdown` is cancelled; then requests in flight get `grace` to end.
///
/// # Errors
///
/// When there can be no TLS with the certificate.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<Certificate>,
    api: Api,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let tls = certificate.map(|it| it.acceptor("http/1.1", shutdown.clone())).transpose()?;
    task_again("api-listener", || accept(&listener, tls.clone(), &api, &shutdown, grace)).await
}

async fn accept(
    listener: &TcpListener,
    tls: Option<TlsAcceptor>,
    api: &Api,
    shutdown: &CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let next = || next_connection(listener, "the API");
    let answered = |(stream, address), requests| Some(connection(stream, address, tls.clone(), requests));
    admit(next, answered, CONNECTIONS, api, shutdown, grace).await
}

/// Takes connections until `shutdown` is cancelled, each of them in a task of its own that `answered` makes, if it is to be
/// served at all, and at most so many at once; then those that are there get `grace` to end.
pub(super) async fn admit<S, N, T>(
    mut next: impl FnMut() -> N,
    answered: impl Fn(S, Requests) -> Option<T>,
    at_once: usize,
    api: &Api,
    shutdown: &CancellationToken,
    grace: Duration,
) -> io::Result<()>
where
    N: Future<Output = S>,
    T: Future<Output = ()> + Send + 'static,
{
    let (router, head) = (api.router(), api.desk.setup.head_timeout);
    let room = Arc::new(Semaphore::new(at_once));
    let mut connections = JoinSet::new();
    loop {
        // a place first: who finds none waits in the kernel, and costs nothing here
        let place = tokio::select! {
            place = Arc::clone(&room).acquire_owned() => place.map_err(io::Error::other)?,
            () = shutdown.cancelled() => break,
        };
        let connection = tokio::select! {
            connection = next() => connection,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        let requests = Requests { router: router.clone(), head, stopping: shutdown.clone() };
        let Some(answered) = answered(connection, requests) else { continue };
        let metrics = api.desk.metrics.clone();
        connections.spawn(async move {
            metrics.connections.inc();
            answered.await;
            metrics.connections.dec();
            drop(place);
        });
    }
    let _ = tokio::time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn connection(stream: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>, requests: Requests) {
    match tls {
        None => requests.answer(stream, Peer { way: Way::Network(address), scheme: "http" }).await,
        Some(acceptor) => {
            if let Some(stream) = shake_hands(acceptor, stream, address).await {
                requests.answer(stream, Peer { way: Way::Network(address), scheme: "https" }).await;
            }
        }
    }
}

/// How the requests of one connection are answered.
pub(super) struct Requests {
    pub(super) router: Router,
    /// How long a head may take to arrive.
    pub(super) head: Duration,
    pub(super) stopping: CancellationToken,
}

impl Requests {
    pub(super) async fn answer<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, head, stopping } = self;
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let mut router = router.clone();
            tower::Service::call(&mut router, request.map(axum::body::Body::new))
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(way = ?peer.way, %error, "a connection to the API broke");
        }
    }
}
