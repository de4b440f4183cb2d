//! Epochs of a database: a standby that is promoted has another history than the server before it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{LONG_PATIENCE, SELDOM, Shared, rows};
use crate::store::changes::Feed;
use crate::store::{Revision, StoreChange, StoreError};

/// Returns the epoch of the database behind a connection: a standby that was promoted counts on from where it was,
/// which may be less than what was accepted. `None`: it reports none.
pub(super) async fn epoch(client: &Client) -> Option<Arc<str>> {
    let row = client.query_one(rows::EPOCH, &[]).await.ok()?;
    row.try_get::<_, String>(0).ok().map(Arc::from)
}

/// Feed of the changes of one epoch of the database.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) epoch: Option<Arc<str>>,
}

#[async_trait]
impl Feed for Life {
    async fn after(&self, revision: Revision) -> Result<Vec<StoreChange>, StoreError> {
        let Self { shared, epoch } = self;
        let mut heard = shared.listener.heard();
        loop {
            heard.borrow_and_update();
            let (found, changes) = shared.patiently(LONG_PATIENCE, shared.changes_after(revision)).await?;
            if found != *epoch {
                // the revisions are those of another epoch
                return Err(StoreError::TooOld { after: revision, oldest: revision });
            }
            if !changes.is_empty() {
                return Ok(changes);
            }
            // a timeout means that it is time to look
            let _ = timeout(SELDOM, heard.changed()).await;
        }
    }
}
