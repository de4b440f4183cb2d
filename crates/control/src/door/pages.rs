//! Server for pages in plaintext, used by the admin servers.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DescriptorShare, Places, Requests};
use crate::guard::task_again;
use crate::listen::next_connection;

/// Limit on the time that the head of a request takes to arrive, and on the idle time between two requests.
pub(super) const HEAD: Duration = Duration::from_secs(15);

/// Serves until the process ends.
pub async fn serve_pages(listener: TcpListener, router: Router) {
    let places = Places::new("the admin server", DescriptorShare::Admin);
    task_again("admin", || accept(&listener, &router, &places)).await;
}

async fn accept(listener: &TcpListener, router: &Router, places: &Places) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            connection = next_connection(listener, "the admin server") => connection,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Some(place) = places.take(address.ip()) else { continue };
        let requests = Requests { router: router.clone(), head: HEAD, stopping: CancellationToken::new() };
        connections.spawn(async move {
            requests.answer(stream, address).await;
            drop(place);
        });
    }
}
