//! Unix sockets that serve only our own user: no reverse proxy, TCP forwarder or inbound leads there by accident.

use std::io;

use axum::Router;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Requests;
use super::pages::HEAD;
use crate::guard::task_again;
use crate::listen::next_of;

/// Limit on concurrent connections.
const CONNECTIONS: usize = 16;

/// Mark of a caller at such a socket: our own user, or root. Requests carry it.
#[derive(Clone, Copy, Debug)]
pub struct OurUser;

/// Serves pages for our own user, and for root, until it is dropped. `what` names the socket in the log.
pub async fn serve_own_pages(listener: UnixListener, router: Router, what: &'static str) {
    task_again("own-pages", || accept(&listener, &router, what)).await;
}

async fn accept(listener: &UnixListener, router: &Router, what: &'static str) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            connection = next_of(|| listener.accept(), what), if connections.len() < CONNECTIONS => connection,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        if is_let_in(&stream, what) {
            let requests =
                Requests { router: router.clone(), head: HEAD, stopping: CancellationToken::new() };
            connections.spawn(requests.answer(stream, OurUser));
        }
    }
}

/// Returns `true` if the peer is served; otherwise logs it.
pub(crate) fn is_let_in(stream: &UnixStream, what: &'static str) -> bool {
    match is_of_our_user(stream) {
        Ok(true) => return true,
        Ok(false) => tracing::warn!("another user asked at {what}, and was not served"),
        Err(error) => {
            tracing::warn!(%error, "nobody knows who asked at {what}: not served");
        }
    }
    false
}

/// Returns `true` if the process at the other end is of our own user, or of root, who may do anything here anyway.
fn is_of_our_user(stream: &UnixStream) -> io::Result<bool> {
    let user = stream.peer_cred()?.uid();
    Ok(user == 0 || user == rustix::process::geteuid().as_raw())
}
