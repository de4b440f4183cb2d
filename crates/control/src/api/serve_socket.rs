//! The way in for this host: a Unix socket, where the kernel says who is at the other end. No reverse proxy, TCP forwarder
//! or inbound leads here by accident.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Api;
use super::serve::{Peer, Requests, Way};
use crate::listen::next_of;

/// How many connections are served at once. They are apart from those of the network: whoever fills that up does not shut out
/// who could help.
const CONNECTIONS: usize = 64;

/// Serves the API on a bound Unix socket until `shutdown` is cancelled; then requests in flight get `grace` to end. Whoever
/// connects as the user of this process, or as root, is admin; nobody else is served.
///
/// # Errors
/// None so far.
pub async fn serve_socket(
    listener: UnixListener,
    api: Api,
    shutdown: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    let (router, head) = (api.router(), api.desk.setup.head_timeout);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&room).acquire_owned() => place.map_err(io::Error::other)?,
            () = shutdown.cancelled() => break,
        };
        let (stream, _) = tokio::select! {
            connection = next_of(|| listener.accept(), "the socket of the API") => connection,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            () = shutdown.cancelled() => break,
        };
        match is_of_our_user(&stream) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("another user asked at the socket of the API, and was not served");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "nobody knows who asked at the socket of the API: not served");
                continue;
            }
        }
        let requests = Requests { router: router.clone(), head, stopping: shutdown.clone() };
        let metrics = api.desk.metrics.clone();
        connections.spawn(async move {
            metrics.connections.inc();
            requests.answer(stream, Peer { way: Way::Socket, scheme: "http" }).await;
            metrics.connections.dec();
            drop(place);
        });
    }
    let _ = tokio::time::timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Whether the process at the other end is one of our own user, or of root, who may do anything here anyway.
fn is_of_our_user(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == rustix::process::geteuid().as_raw())
}
