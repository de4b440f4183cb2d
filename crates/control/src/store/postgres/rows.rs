//! Queries of the tables, and the decoding of their rows.

use jiff::Timestamp;
use model::{Kind, ResourceKey};
use serde_json::Value;
use tokio_postgres::{Row, Transaction};

use super::{CHANNEL, fault};
use crate::store::{Revision, StoreChange, StoreChangeKind, StoreError, Stored, Unreadable};

/// Limit on the changes that are kept for watches.
const REMEMBERED: i64 = 10_000;
/// Interval at which older ones are removed, in changes.
const TIDY_EVERY: i64 = 256;

/// Query of the last revision.
pub(super) const REVISION: &str = "SELECT revision FROM meshtcp_state";
/// Query of the database's epoch: it is another one after a failover, or when the database was recreated.
pub(super) const EPOCH: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || \
     substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
/// Takes the next revision; other writers wait until this transaction ends.
pub(super) const NEXT_REVISION: &str = "UPDATE meshtcp_state SET revision = revision + 1 RETURNING revision";
/// Gives back a revision that was taken in the same transaction.
pub(super) const REVISION_BACK: &str = "UPDATE meshtcp_state SET revision = revision - 1";
/// Query of one resource.
pub(super) const ONE: &str = "SELECT kind, mesh, name, version, created, modified, document FROM meshtcp_resource \
     WHERE kind = $1 AND mesh = $2 AND name = $3";
/// Query of the last revision, together with each selected resource: one statement, so all of one moment.
pub(super) const LIST: &str = "SELECT s.revision, r.kind, r.mesh, r.name, r.version, r.created, r.modified, r.document \
     FROM meshtcp_state s LEFT JOIN meshtcp_resource r \
     ON ($1::text IS NULL OR r.kind = $1) AND ($2::text IS NULL OR r.mesh = $2)";
/// Query of the last revision, the oldest that can be watched from, and the first changes after a revision: of one
/// moment.
pub(super) const AFTER: &str = "SELECT s.revision, \
     coalesce((SELECT min(revision) - 1 FROM meshtcp_change), s.revision), \
     c.kind, c.mesh, c.name, c.revision, c.created, c.modified, c.document \
     FROM meshtcp_state s LEFT JOIN \
     (SELECT * FROM meshtcp_change WHERE revision > $1 ORDER BY revision LIMIT 10000) c ON true ORDER BY c.revision";

/// Decodes the revision in a column.
pub(super) fn revision(words: &str, row: &Row, column: usize) -> Result<Revision, StoreError> {
    let number: i64 = row.try_get(column).map_err(|error| fault::damaged(words, &error))?;
    u64::try_from(number).map(Revision::new).map_err(|error| fault::damaged(words, &error))
}

/// Encodes a revision for a column.
pub(super) fn number(words: &str, revision: Revision) -> Result<i64, StoreError> {
    i64::try_from(revision.number()).map_err(|error| fault::damaged(words, &error))
}

/// Returns `true` if the left side of a join found anything.
pub(super) fn is_there(row: &Row, first: usize) -> bool {
    matches!(row.try_get::<_, Option<&str>>(first), Ok(Some(_)))
}

/// Decodes a resource in seven columns: kind, mesh, name, version, created, modified, document.
pub(super) fn stored(words: &str, row: &Row, first: usize) -> Result<Stored, StoreError> {
    let bad = |error: tokio_postgres::Error| fault::damaged(words, &error);
    let time = |column: usize| -> Result<Timestamp, StoreError> {
        let text: &str = row.try_get(first + column).map_err(bad)?;
        text.parse().map_err(|error| fault::damaged(words, &error))
    };
    let document: Value = row.try_get(first + 6).map_err(bad)?;
    Ok(Stored {
        key: key(words, row, first)?,
        version: revision(words, row, first + 3)?,
        created: time(4)?,
        modified: time(5)?,
        document,
    })
}

/// Decodes a resource as [`stored`] does; a row that cannot be read affects itself only.
pub(super) fn readable(row: &Row, first: usize) -> Result<Stored, Unreadable> {
    stored("", row, first).map_err(|error| {
        let text = |column: usize| row.try_get::<_, &str>(first + column).unwrap_or_default().to_owned();
        let why = match error {
            StoreError::Damaged { why, .. } => why,
            other => other.to_string(),
        };
        Unreadable { kind: text(0), mesh: text(1), name: text(2), why }
    })
}

fn key(words: &str, row: &Row, first: usize) -> Result<ResourceKey, StoreError> {
    let text = |column: usize| -> Result<&str, StoreError> {
        row.try_get(first + column).map_err(|error| fault::damaged(words, &error))
    };
    let kind = text(0)?;
    let unknown = || fault::damaged(words, &format!("this version does not know the kind `{kind}`"));
    Ok(ResourceKey::new(Kind::from_text(kind).ok_or_else(unknown)?, text(1)?, text(2)?))
}

/// Decodes a change beside two revisions; `None`: there is none.
pub(super) fn change(words: &str, row: &Row) -> Result<Option<StoreChange>, StoreError> {
    if !is_there(row, 2) {
        return Ok(None);
    }
    let what = if is_there(row, 6) {
        StoreChangeKind::Put(stored(words, row, 2)?)
    } else {
        StoreChangeKind::Deleted
    };
    Ok(Some(StoreChange { revision: revision(words, row, 5)?, key: key(words, row, 2)?, what }))
}

/// Writes a change into both tables, and wakes every reader once it is committed.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    StoreChange { revision, key, what }: &StoreChange,
) -> Result<(), tokio_postgres::Error> {
    // revisions come from a column of this type
    let revision = i64::try_from(revision.number()).unwrap_or(i64::MAX);
    let (kind, mesh, name) = (key.kind.as_str(), key.mesh_or_empty(), key.name.as_str());
    let (created, modified, document) = match what {
        StoreChangeKind::Put(Stored { created, modified, document, .. }) => {
            (Some(created.to_string()), Some(modified.to_string()), Some(document))
        }
        StoreChangeKind::Deleted => (None, None, None),
    };
    if document.is_some() {
        let put = "INSERT INTO meshtcp_resource (kind, mesh, name, version, created, modified, document) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, mesh, name) \
                   DO UPDATE SET version = $4, created = $5, modified = $6, document = $7";
        transaction.execute(put, &[&kind, &mesh, &name, &revision, &created, &modified, &document]).await?;
    } else {
        let delete = "DELETE FROM meshtcp_resource WHERE kind = $1 AND mesh = $2 AND name = $3";
        transaction.execute(delete, &[&kind, &mesh, &name]).await?;
    }
    let log = "INSERT INTO meshtcp_change (revision, kind, mesh, name, created, modified, document) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    transaction.execute(log, &[&revision, &kind, &mesh, &name, &created, &modified, &document]).await?;
    if revision % TIDY_EVERY == 0 {
        let old = revision - REMEMBERED;
        transaction.execute("DELETE FROM meshtcp_change WHERE revision <= $1", &[&old]).await?;
    }
    transaction.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &revision.to_string()]).await?;
    Ok(())
}
