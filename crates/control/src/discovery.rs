//! Discovery over gRPC: proxies attach here, Envoy and our own, and get their published configuration.
//!
//! ```text
//!   compile loop ─▶ Publisher ─▶ one stream per proxy (xds::Subscription) ⇢ gRPC ⇢ proxy
//!                                        └─▶ Statuses ─▶ CLI, REST, status of routes
//! ```
//!
//! The service is `envoy.service.discovery.v3.AggregatedDiscoveryService` with both its methods. A proxy is identified
//! by `node.id` (`<mesh>.<name>`), its dialect by the types that it asks for. An unknown proxy is kept waiting, and
//! served as soon as something is published for it, unless it [brings](crate::arrivals) its Dataplane along. A second
//! stream of a proxy ends the first.
//!
//! A proxy of ours [reports](crate::telemetry) its traffic on the connection on which it is attached.
//!
//! Anybody may attach, unless a [`TokenGate`] asks for tokens. On the same port a kuma-dp asks for the
//! [bootstrap](crate::bootstrap) of its Envoy, over HTTP/1.1.

mod announced;
mod caller;
mod gate;
mod introduction;
mod methods;
mod metrics;
mod publisher;
mod reports;
mod service;
mod shared;
mod speaks;
mod status;
mod stream;
mod turned_away;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use gate::TokenGate;
pub use metrics::DiscoveryMetrics;
pub use publisher::{Package, Published, Publisher};
pub use service::DiscoveryServer;
pub use status::Statuses;

use caller::{Arrived, Caller};
use methods::Served;

use crate::bootstrap::answer;
use crate::certificate::{Certificate, shake_hands};
use crate::door::{DescriptorShare, Idle, Paced, Places};
use crate::guard::task_again;
use crate::listen::next_connection;

/// Idle time after which a connection is pinged, and limit on the wait for the answer.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Least time that a connection without requests stays open; the limit is twice that.
const NOTHING_ASKED: Duration = Duration::from_secs(15);
/// Limit on open streams of a connection; a proxy needs one.
const STREAMS: u32 = 64;
/// Limit on the head of a request, in bytes: a token fits.
const HEAD_BYTES: u32 = 32 * 1024;

/// Serves discovery on a bound listener, in plaintext or over TLS, until `shutdown` is cancelled.
///
/// Then nothing new is accepted, open streams get `grace` to end by themselves (proxies end them only when they leave),
/// and the rest are ended with the status `Unavailable`, upon which proxies look for another instance.
///
/// # Errors
///
/// If TLS cannot be set up with the certificate, or the server fails.
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
        .http2_max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAMS)
        // bootstrap requests are not HTTP/2
        .accept_http1(true)
        .add_routes(routes(server));
    let stopped = shutdown.clone().cancelled_owned();
    let connections = async {
        let served = match certificate {
            None => {
                let arriving = arriving(listener, |stream, _| std::future::ready(Some(stream)));
                router.serve_with_incoming_shutdown(arriving, stopped).await
            }
            Some(certificate) => {
                let acceptor = certificate.acceptor(&["h2", "http/1.1"], shutdown.clone())?;
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
        // The streams are ended; a connection that is still open belongs to a peer that has stopped reading.
        tokio::time::sleep(KEEPALIVE).await;
    };
    tokio::select! {
        served = connections => served,
        () = end_streams => Ok(()),
    }
}

/// Routes for discovery and for bootstrap requests.
fn routes(server: DiscoveryServer) -> Routes {
    let bootstraps = server.bootstraps();
    let reports = server.reports();
    let router = Routes::new(Served(server)).add_service(Served(reports)).into_axum_router();
    match bootstraps {
        None => router.into(),
        Some(bootstraps) => {
            router.merge(Router::new().route("/bootstrap", any(answer)).with_state(bootstraps)).into()
        }
    }
}

/// Stream of accepted connections, each as soon as it is admitted: a slow one holds up nobody. It never yields an
/// error: the server would poll again at once, which takes a whole processor while descriptors are short.
fn arriving<C, A>(
    listener: TcpListener,
    admit: impl Fn(Paced<TcpStream>, SocketAddr) -> A + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<Arrived<C>>>
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    A: Future<Output = Option<C>> + Send + 'static,
{
    let (arrive, arrived) = mpsc::channel(1);
    let places = Places::new("discovery", DescriptorShare::Discovery);
    tokio::spawn(async move {
        task_again("discovery-listener", || accept(&listener, &places, &arrive, &admit)).await;
    });
    ReceiverStream::new(arrived)
}

/// Accepts connections until the receiver is dropped.
async fn accept<C, A>(
    listener: &TcpListener,
    places: &Places,
    arrive: &mpsc::Sender<io::Result<Arrived<C>>>,
    admit: &impl Fn(Paced<TcpStream>, SocketAddr) -> A,
) where
    C: Send + 'static,
    A: Future<Output = Option<C>> + Send + 'static,
{
    loop {
        let (stream, address) = tokio::select! {
            connection = next_connection(listener, "discovery") => connection,
            () = arrive.closed() => return,
        };
        let Some(place) = places.take(address.ip()) else { continue };
        let caller = Caller::new(address);
        let stream = Paced::new(stream, Some(Idle::new(caller.busy.clone(), NOTHING_ASKED)));
        let (arrive, admitted) = (arrive.clone(), admit(stream, address));
        tokio::spawn(async move {
            if let Some(stream) = admitted.await {
                // the server may have stopped meanwhile
                let _ = arrive.send(Ok(Arrived { stream, caller, _place: place })).await;
            }
        });
    }
}
