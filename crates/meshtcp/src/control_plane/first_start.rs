//! What a new store lacks: a mesh, and a way in.

use std::sync::Arc;
use std::time::Duration;

use control::store::Store;

use crate::output::complain;

/// How long the first mesh may hold up the start.
const FIRST: Duration = Duration::from_secs(2);

/// The pause before a store that is away is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// The same as [`prepare`] before anybody can ask, if the store lets us: the first caller finds a mesh. Returns whether it does.
pub(super) async fn prepare_first(store: &Arc<dyn Store>, zone: Option<&str>) -> bool {
    // what fails or takes longer is done, and told, beside serving
    matches!(tokio::time::timeout(FIRST, control::api::prepare(store, zone)).await, Ok(Ok(())))
}

/// Makes what a new store lacks: a mesh, and a way in. A store that is away is tried again.
pub(super) async fn prepare(store: Arc<dyn Store>, zone: Option<String>) {
    let mut told = false;
    while let Err(error) = control::api::prepare(&store, zone.as_deref()).await {
        if !std::mem::replace(&mut told, true) {
            complain(&format!("warning: the first mesh and token wait for the store: {error}\n"));
        }
        tokio::time::sleep(RETRY).await;
    }
}
