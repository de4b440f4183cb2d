//! Discovery over gRPC: proxies attach here, Envoy and our own, and get what is published for them.
//!
//! ```text
//!   compile loop ─▶ Publisher ─▶ one stream a proxy (xds::Subscription) ⇢ gRPC ⇢ proxy
//!                                        └─▶ Statuses ─▶ CLI, REST, status of routes
//! ```
//!
//! The service is `envoy.service.discovery.v3.AggregatedDiscoveryService` with both its methods. Which proxy is told
//! by `node.id` (`<mesh>.<name>`), which dialect it speaks by the types it asks for. A proxy that nobody knows is kept
//! waiting, and served as soon as something is published for it. A second stream of a proxy ends the first.
//!
//! Anybody may attach, unless a [`TokenGate`] asks for tokens.

mod gate;
mod metrics;
mod publisher;
mod service;
mod status;
mod stream;
mod tls;

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

pub use gate::TokenGate;
pub use metrics::DiscoveryMetrics;
pub use publisher::{Published, Publisher};
pub use service::DiscoveryServer;
pub use status::{Acked, Connection, ProxyStatus, Rejection, Statuses, TypeStatus};
pub use tls::{DiscoveryTls, DiscoveryTlsError};

/// How long a silent connection lives before it is asked for a sign of life, and how long that may take.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Serves discovery on a bound listener, in plaintext or over TLS, until `shutdown` is cancelled.
///
/// Then nothing new is accepted, open streams get `grace` to end by themselves (proxies end them only when they
/// leave), and what is left is ended with the status `Unavailable`, upon which proxies look for another instance.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<DiscoveryTls>,
    server: DiscoveryServer,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let closing = server.closing();
    let stopped = shutdown.clone();
    let mut builder = tonic::transport::Server::builder();
    if let Some(DiscoveryTls(config)) = tls {
        builder = builder.tls_config(config).map_err(io::Error::other)?;
    }
    let connections = builder
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(server)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
            stopped.cancelled().await;
        });
    let end_streams = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
        closing.cancel();
        // The streams are ended; what still holds its connection open has stopped reading.
        tokio::time::sleep(KEEPALIVE).await;
    };
    tokio::select! {
        served = connections => served.map_err(io::Error::other),
        () = end_streams => Ok(()),
    }
}
