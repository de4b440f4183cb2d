//! Unix socket of the API for this host, where the kernel identifies the peer. No reverse proxy, TCP forwarder or
//! inbound leads here by accident.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::serve::{Peer, Transport, admit};
use crate::door::{Places, Requests, is_let_in};
use crate::listen::next_of;

/// Limit on concurrent connections. It is separate from that of the network, so that filling up the latter does not
/// shut out an admin who could help.
const CONNECTIONS: usize = 64;
/// Name of the socket in the log.
const WHAT: &str = "the socket of the API";

/// Serves the API on a bound Unix socket until `shutdown` is cancelled; then requests in flight get `grace` to finish.
/// A process of the same user, or of root, is admin; nobody else is served.
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
        let peer = Peer { way: Transport::Socket, scheme: "http" };
        let place = places.take(Ipv4Addr::LOCALHOST.into())?;
        is_let_in(&stream, WHAT).then(|| (requests.answer(stream, peer), place))
    };
    admit(next, answered, &api, &shutdown, grace).await
}
