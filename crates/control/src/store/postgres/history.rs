//! History of accepted changes, in a table of its own.

use model::ResourceKey;
use tokio_postgres::{Client, Error};

use super::catalogue::is_made;
use crate::store::HistoryEntry;
use crate::store::past::kept;

const TABLE: &str = "
CREATE TABLE meshtcp_history (
    kind     text   NOT NULL,
    mesh     text   NOT NULL,
    name     text   NOT NULL,
    revision bigint NOT NULL,
    change   text   NOT NULL,
    PRIMARY KEY (kind, mesh, name, revision)
);
";

const KEEP: &str = "INSERT INTO meshtcp_history (kind, mesh, name, revision, change) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT DO NOTHING";

const SIZES: &str = "SELECT revision, octet_length(change) FROM meshtcp_history \
     WHERE kind = $1 AND mesh = $2 AND name = $3 ORDER BY revision DESC";

const DROP: &str =
    "DELETE FROM meshtcp_history WHERE kind = $1 AND mesh = $2 AND name = $3 AND revision <= $4";

const OF_ONE: &str = "SELECT change FROM meshtcp_history WHERE kind = $1 AND mesh = $2 AND name = $3 \
     ORDER BY revision DESC";

/// Creates the table if it does not exist.
pub(super) async fn prepare(client: &mut Client, lock: &str) -> Result<(), Error> {
    let there = "SELECT to_regclass('meshtcp_history') IS NOT NULL";
    if client.query_one(there, &[]).await?.try_get(0)? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(lock).await?;
    if !is_made(&transaction, "meshtcp_history").await? {
        transaction.batch_execute(TABLE).await?;
    }
    transaction.commit().await
}

/// Keeps changes, and drops surplus ones of the same resources.
pub(super) async fn remember(client: &mut Client, changes: &[HistoryEntry]) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    for past in changes {
        let (kind, mesh, name) = (past.key.kind.as_str(), past.key.mesh_or_empty(), past.key.name.as_str());
        // revisions come from a column of this type
        let revision = i64::try_from(past.revision.number()).unwrap_or(i64::MAX);
        transaction.execute(KEEP, &[&kind, &mesh, &name, &revision, &past.line()]).await?;
        let mut known: Vec<(i64, usize)> = Vec::new();
        for row in transaction.query(SIZES, &[&kind, &mesh, &name]).await? {
            let size: i32 = row.try_get(1)?;
            known.push((row.try_get(0)?, usize::try_from(size).unwrap_or_default()));
        }
        let count = kept(known.iter().map(|(_, size)| *size));
        if let Some((oldest, _)) = known.get(count) {
            transaction.execute(DROP, &[&kind, &mesh, &name, oldest]).await?;
        }
    }
    transaction.commit().await
}

/// Returns the changes of a resource, the newest first.
pub(super) async fn past(client: &Client, key: &ResourceKey) -> Result<Vec<HistoryEntry>, Error> {
    let (kind, mesh, name) = (key.kind.as_str(), key.mesh_or_empty(), key.name.as_str());
    let rows = client.query(OF_ONE, &[&kind, &mesh, &name]).await?;
    let lines = rows.iter().map(|row| row.try_get::<_, &str>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter_map(HistoryEntry::read).collect())
}
