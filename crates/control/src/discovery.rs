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
mod shared;
mod status;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

pub use gate::TokenGate;
pub use metrics::DiscoveryMetrics;
pub use publisher::{Published, Publisher};
pub use service::DiscoveryServer;
pub use status::Statuses;

use crate::certificate::{Certificate, shake_hands};
use crate::guard::task_again;
use crate::listen::next_connection;

/// How long a silent connection lives before it is asked for a sign of life, and how long that may take.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Serves discovery on a bound listener, in plaintext or over TLS, until `shutdown` is cancelled.
///
/// Then nothing new is accepted, open streams get `grace` to end by themselves (proxies end them only when they
/// leave), and what is left is ended with the status `Unavailable`, upon which proxies look for another instance.
///
/// # Errors
///
/// When there can be no TLS with the certificate, or the server fails.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<Certificate>,
    server: DiscoveryServer,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let closing = server.closing();
    let router = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(server);
    let stopped = shutdown.clone().cancelled_owned();
    let connections = async {
        let served = match certificate {
            None => {
                let arriving = arriving(listener, |stream, _| std::future::ready(Some(stream)));
                router.serve_with_incoming_shutdown(arriving, stopped).await
            }
            Some(certificate) => {
                let acceptor = certificate.acceptor("h2", shutdown.clone())?;
                let arriving =
                    arriving(listener, move |stream, address| shake_hands(acceptor.clone(), stream, address));
                router.serve_with_incoming_shutdown(arriving, stopped).await
            }
        };
        served.map_err(io::Error::other)
    };
    let end_streams = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
        closing.cancel();
        // The streams are ended; what still holds its connection open has stopped reading.
        tokio::time::sleep(KEEPALIVE).await;
    };
    tokio::select! {
        served = connections => served,
        () = end_streams => Ok(()),
    }
}

/// The connections to a listener, each as soon as it is admitted: one that takes its time holds up nobody. There is never
/// an error among them: the server would ask again at once, which takes a whole processor while descriptors are short.
fn arriving<C, A>(
    listener: TcpListener,
    admit: impl Fn(TcpStream, SocketAddr) -> A + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<C>>
where
    C: Send + 'static,
    A: Future<Output = Option<C>> + Send + 'static,
{
    let (arrive, arrived) = mpsc::channel(1);
    tokio::spawn(async move {
        task_again("discovery-listener", || accept(&listener, &arrive, &admit)).await;
    });
    ReceiverStream::new(arrived)
}

/// Accepts until nobody wants connections any more.
async fn accept<C, A>(
    listener: &TcpListener,
    arrive: &mpsc::Sender<io::Result<C>>,
    admit: &impl Fn(TcpStream, SocketAddr) -> A,
) where
    C: Send + 'static,
    A: Future<Output = Option<C>> + Send + 'static,
{
    loop {
        let (stream, address) = tokio::select! {
            connection = next_connection(listener, "discovery") => connection,
            () = arrive.closed() => return,
        };
        let (arrive, admitted) = (arrive.clone(), admit(stream, address));
        tokio::spawn(async move {
            if let Some(connection) = admitted.await {
                // the server may have stopped meanwhile
                let _ = arrive.send(Ok(connection)).await;
            }
        });
    }
}
