//! Initial content of a new store: a mesh, and credentials for access.

use std::sync::Arc;
use std::time::Duration;

use control::store::Store;

use crate::output::complain;

/// Maximum delay of the start by the first mesh.
const FIRST: Duration = Duration::from_secs(2);

/// Pause before an unreachable store is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Runs [`prepare`] before requests are served, if the store answers in time, so that the first caller finds a mesh.
/// Returns `true` if it did.
pub(super) async fn prepare_first(store: &Arc<dyn Store>, zone: Option<&str>) -> bool {
    // a failed or slow preparation is repeated, and reported, beside serving
    matches!(tokio::time::timeout(FIRST, control::api::prepare(store, zone)).await, Ok(Ok(())))
}

/// Creates the initial content of a new store: a mesh, and credentials for access. An unreachable store is tried again.
pub(super) async fn prepare(store: Arc<dyn Store>, zone: Option<String>) {
    let mut told = false;
    while let Err(error) = control::api::prepare(&store, zone.as_deref()).await {
        if !std::mem::replace(&mut told, true) {
            complain(&format!("warning: the first mesh and token wait for the store: {error}\n"));
        }
        tokio::time::sleep(RETRY).await;
    }
}
