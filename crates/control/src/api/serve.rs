//! The listener: plaintext or TLS, with limits for those who take their time.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Api;

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How much of a request's head is read.
const HEAD_BYTES: usize = 64 * 1024;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing in PEM.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not fit.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(rustls::Error),
}

impl Tls {
    /// Reads a certificate with its chain, and its key, from files in PEM.
    ///
    /// # Errors
    /// When they cannot be read or do not fit.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let within = |file: &Path| {
            let file = file.display().to_string();
            move |error: rustls::pki_types::pem::Error| TlsError::File { file, why: error.to_string() }
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(within(certificate))?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(within(certificate))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(within(key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Pair)?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves the API on a bound listener until `shutdown` is cancelled; then requests in flight get `grace` to end.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    api: Api,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let router = api.router();
    let head = api.desk.setup.head_timeout;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // a place first: who finds none waits in the kernel, and costs nothing here
        let place = tokio::select! {
            place = Arc::clone(&room).acquire_owned() => place.map_err(io::Error::other)?,
            () = shutdown.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                // most likely there are no file descriptors left: some are given back soon
                tracing::warn!(%error, "the API cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (tls, router, metrics, stopping) =
            (tls.clone(), router.clone(), api.desk.metrics.clone(), shutdown.clone());
        connections.spawn(async move {
            metrics.connections.inc();
            connection(stream, address, tls, Requests { router, head, stopping }).await;
            metrics.connections.dec();
            drop(place);
        });
    }
    let _ = tokio::time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

async fn connection(stream: TcpStream, address: SocketAddr, tls: Option<Tls>, requests: Requests) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests.answer(stream, Peer { address, scheme: "http" }).await,
        Some(Tls(acceptor)) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => requests.answer(stream, Peer { address, scheme: "https" }).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS with a caller of the API"),
            Err(_) => tracing::debug!(%address, "a caller of the API was too slow for TLS"),
        },
    }
}

/// How the requests of one connection are answered.
struct Requests {
    router: Router,
    /// How long a head may take to arrive.
    head: Duration,
    stopping: CancellationToken,
}

impl Requests {
    async fn answer<S>(self, stream: S, peer: Peer)
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
            tracing::debug!(address = %peer.address, %error, "a connection to the API broke");
        }
    }
}
