//! Listener of the API: plaintext or TLS, with time limits for slow callers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Api;
use crate::certificate::{Certificate, shake_hands};
use crate::door::{DescriptorShare, Place, Places, Requests};
use crate::guard::task_again;
use crate::listen::next_connection;

/// Origin of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) way: Transport,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

/// Transport by which a connection came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transport {
    /// Over the network, from this address.
    Network(SocketAddr),
    /// Through the Unix socket, by a process of our own user or of root.
    Socket,
}

/// Serves the API on a bound listener until `shutdown` is cancelled; then requests in flight get `grace` to finish.
///
/// # Errors
///
/// If TLS cannot be set up with the certificate.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<Certificate>,
    api: Api,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let tls = certificate.map(|it| it.acceptor(&["http/1.1"], shutdown.clone())).transpose()?;
    let places = Places::new("the API", DescriptorShare::Api);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(api.inner.tokens.clone().follow()));
    task_again("api-listener", || accept(&listener, tls.clone(), &places, &api, &shutdown, grace)).await
}

async fn accept(
    listener: &TcpListener,
    tls: Option<TlsAcceptor>,
    places: &Places,
    api: &Api,
    shutdown: &CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let next = || next_connection(listener, "the API");
    let answered = |(stream, address): (TcpStream, SocketAddr), requests| {
        let place = places.take(address.ip())?;
        Some((connection(stream, address, tls.clone(), requests), place))
    };
    admit(next, answered, api, shutdown, grace).await
}

/// Accepts connections until `shutdown` is cancelled. Each is served in a task of its own that `answered` makes, unless
/// it is rejected, and keeps its place meanwhile. Then open connections get `grace` to end.
pub(super) async fn admit<S, N, T>(
    mut next: impl FnMut() -> N,
    answered: impl Fn(S, Requests) -> Option<(T, Place)>,
    api: &Api,
    shutdown: &CancellationToken,
    grace: Duration,
) -> io::Result<()>
where
    N: Future<Output = S>,
    T: Future<Output = ()> + Send + 'static,
{
    let (router, head) = (api.router(), api.inner.setup.head_timeout);
    let mut connections = JoinSet::new();
    loop {
        let connection = tokio::select! {
            connection = next() => connection,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        let requests = Requests { router: router.clone(), head, stopping: shutdown.clone() };
        let Some((answered, place)) = answered(connection, requests) else { continue };
        let metrics = api.inner.metrics.clone();
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
        None => requests.answer(stream, Peer { way: Transport::Network(address), scheme: "http" }).await,
        Some(acceptor) => {
            if let Some(stream) = shake_hands(acceptor, stream, address).await {
                requests.answer(stream, Peer { way: Transport::Network(address), scheme: "https" }).await;
            }
        }
    }
}
