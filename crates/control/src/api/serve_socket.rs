//! The way in for this host: a Unix socket, where the kernel says who is at the other end. No reverse proxy, TCP forwarder
//! or inbound leads here by accident.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::serve::{Peer, Way, admit};
use crate::door::{Places, Requests};
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
    let places = Places::of("the socket of the API", CONNECTIONS);
    let next = || next_of(|| listener.accept(), "the socket of the API");
    let answered = |(stream, _): (UnixStream, SocketAddr), requests: Requests| {
        let peer = Peer { way: Way::Socket, scheme: "http" };
        let place = places.take(Ipv4Addr::LOCALHOST.into())?;
        is_let_in(&stream).then(|| (requests.answer(stream, peer), place))
    };
    admit(next, answered, &api, &shutdown, grace).await
}

/// Whether who asks is served; who is not is told of in the log.
fn is_let_in(stream: &UnixStream) -> bool {
    match is_of_our_user(stream) {
        Ok(true) => return true,
        Ok(false) => tracing::warn!("another user asked at the socket of the API, and was not served"),
        Err(error) => {
            tracing::warn!(%error, "nobody knows who asked at the socket of the API: not served");
        }
    }
    false
}

/// Whether the process at the other end is one of our own user, or of root, who may do anything here anyway.
fn is_of_our_user(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == rustix::process::geteuid().as_raw())
}
