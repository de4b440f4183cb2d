//! Discovery over gRPC: proxies attach here, Envoy and our own, and get what is published for them.
//!
//! ```text
//!   compile loop ─▶ Publisher ─▶ one stream a proxy (xds::Subscription) ⇢ gRPC ⇢ proxy
//!                                        └─▶ Statuses ─▶ CLI, REST, status of routes
//! ```
//!
//! The service is `envoy.service.discovery.v3.AggregatedDiscoveryService` with both its methods. Which proxy is told
//! by `node.id` (`<mesh>.<name>`), which dialect it speaks by the types it asks for. A proxy that nobody knows is kept
//! waiting, and served as soon as something is published for it, unless it [brings](crate::arrivals) its Dataplane along. A
//! second stream of a proxy ends the first.
//!
//! On the connection on which it is attached a proxy of ours [reports](crate::telemetry) what its connections do.
//!
//! Anybody may attach, unless a [`TokenGate`] asks for tokens. On the same port a kuma-dp asks
//! [how to start](crate::bootstrap) its Envoy, over HTTP/1.1.

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
use crate::door::{Idle, Paced, Places, Share};
use crate::guard::task_again;
use crate::listen::next_connection;

/// How long a silent connection lives before it is asked for a sign of life, and how long that may take.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long a connection on which nothing is asked stays open, at least; at most twice that.
const NOTHING_ASKED: Duration = Duration::from_secs(15);
/// How many streams a connection may have open; a proxy needs one.
const STREAMS: u32 = 64;
/// How large the head of a request may be, in bytes: a token fits.
const HEAD_BYTES: u32 = 32 * 1024;

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
        .http2_max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAMS)
        // what is not HTTP/2 asks how to start
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
        // The streams are ended; what still holds its connection open has stopped reading.
        tokio::time::sleep(KEEPALIVE).await;
    };
    tokio::select! {
        served = connections => served,
        () = end_streams => Ok(()),
    }
}

/// Discovery, and beside it what a kuma-dp asks before.
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

/// The connections to a listener, each as soon as it is admitted: one that takes its time holds up nobody. There is never
/// an error among them: the server would ask again at once, which takes a whole processor while descriptors are short.
fn arriving<C, A>(
    listener: TcpListener,
    admit: impl Fn(Paced<TcpStream>, SocketAddr) -> A + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<Arrived<C>>>
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    A: Future<Output = Option<C>> + Send + 'static,
{
    let (arrive, arrived) = mpsc::channel(1);
    let places = Places::new("discovery", Share::Discovery);
    tokio::spawn(async move {
        task_again("discovery-listener", || accept(&listener, &places, &arrive, &admit)).await;
    });
    ReceiverStream::new(arrived)
}

/// Accepts until nobody wants connections any more.
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
