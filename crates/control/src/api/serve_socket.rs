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
use crate::door::{Places, Requests, is_let_in};
use crate::listen::next_of;

/// How many connections are served at once. They are apart from those of the network: whoever fills that up does not shut out
/// who could help.
const CONNECTIONS: usize = 64;
/// How the socket is called in the log.
const WHAT: &str = "the socket of the API";

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
    let places = Places::of(WHAT, CONNECTIONS);
    let next = || next_of(|| listener.accept(), WHAT);
    let answered = |(stream, _): (UnixStream, SocketAddr), requests: Requests| {
        let peer = Peer { way: Way::Socket, scheme: "http" };
        let place = places.take(Ipv4Addr::LOCALHOST.into())?;
        is_let_in(&stream, WHAT).then(|| (requests.answer(stream, peer), place))
    };
    admit(next, answered, &api, &shutdown, grace).await
}
