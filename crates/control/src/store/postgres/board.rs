//! Notes between the control planes of one database. The tables are unlogged: notes lost in a crash are written again.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::{Client, Error};

use super::catalogue::is_made;
use super::{PATIENCE, Shared};
use crate::store::{Board, Notes, StoreError};

/// Lock that serialises writers, so that marks become visible in their order ("meshnote" in ASCII).
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'6d6573686e6f7465'::bigint)";

const TABLES: &str = "
CREATE UNLOGGED TABLE meshtcp_process (
    who  text PRIMARY KEY,
    seen timestamptz NOT NULL
);
CREATE UNLOGGED TABLE meshtcp_note (
    who   text   NOT NULL,
    name  text   NOT NULL,
    value text,
    mark  bigint NOT NULL,
    PRIMARY KEY (who, name)
);
CREATE INDEX meshtcp_note_mark ON meshtcp_note (mark);
CREATE SEQUENCE meshtcp_mark;
";

/// Sign of life of a process; returns `true` if it was known before.
const ALIVE: &str = "
INSERT INTO meshtcp_process (who, seen) VALUES ($1, clock_timestamp())
ON CONFLICT (who) DO UPDATE SET seen = EXCLUDED.seen
RETURNING xmax <> 0";

const LEAVE: &str = "
INSERT INTO meshtcp_note (who, name, value, mark)
SELECT $1, note.name, note.value, nextval('meshtcp_mark') FROM unnest($2::text[], $3::text[]) AS note (name, value)
ON CONFLICT (who, name) DO UPDATE SET value = EXCLUDED.value, mark = EXCLUDED.mark";

const FORGET_THE_DEAD: &str = "
WITH dead AS (DELETE FROM meshtcp_process WHERE seen < clock_timestamp() - interval '1 minute' RETURNING who)
DELETE FROM meshtcp_note WHERE who IN (SELECT who FROM dead)";

const LIVING: &str =
    "SELECT who FROM meshtcp_process WHERE seen > clock_timestamp() - interval '15 seconds' AND who <> $1";

/// Notes since a mark. The sequence shows whether the board is the one that the mark is of.
const SINCE: &str = "
SELECT who, name, value, mark FROM meshtcp_note WHERE mark > $1 AND who <> $2 ORDER BY mark";

const LAST: &str = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM meshtcp_mark";

/// Creates the tables if they do not exist.
pub(super) async fn prepare(client: &mut Client, lock: &str) -> Result<(), Error> {
    let there = "SELECT to_regclass('meshtcp_mark') IS NOT NULL";
    if client.query_one(there, &[]).await?.try_get(0)? {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(lock).await?;
    if !is_made(&transaction, "meshtcp_mark").await? {
        transaction.batch_execute(TABLES).await?;
    }
    transaction.commit().await
}

#[derive(Debug)]
pub(super) struct PostgresBoard(pub(super) Arc<Shared>);

#[async_trait]
impl Board for PostgresBoard {
    async fn leave(&self, who: &str, notes: &[(String, Option<String>)]) -> Result<bool, StoreError> {
        let shared = &self.0;
        let bad = |error| shared.fault(error);
        let names: Vec<&str> = notes.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<Option<&str>> = notes.iter().map(|(_, value)| value.as_deref()).collect();
        shared
            .patiently(PATIENCE, async {
                let mut client = shared.client().await?;
                let transaction = client.transaction().await.map_err(bad)?;
                transaction.batch_execute(LOCK).await.map_err(bad)?;
                let row = transaction.query_one(ALIVE, &[&who]).await.map_err(bad)?;
                let known: bool = row.try_get(0).map_err(bad)?;
                if !names.is_empty() {
                    transaction.execute(LEAVE, &[&who, &names, &values]).await.map_err(bad)?;
                }
                transaction.execute(FORGET_THE_DEAD, &[]).await.map_err(bad)?;
                transaction.commit().await.map_err(bad)?;
                Ok(known)
            })
            .await
    }

    async fn read(&self, who: &str, since: i64) -> Result<Notes, StoreError> {
        let shared = &self.0;
        let bad = |error| shared.fault(error);
        shared
            .patiently(PATIENCE, async {
                let mut client = shared.client().await?;
                // one moment for all three
                let transaction = client.build_transaction().read_only(true);
                let transaction = transaction.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
                let transaction = transaction.start().await.map_err(bad)?;
                let mut found = Notes { mark: since, ..Notes::default() };
                for row in transaction.query(LIVING, &[&who]).await.map_err(bad)? {
                    found.alive.insert(row.try_get(0).map_err(bad)?);
                }
                for row in transaction.query(SINCE, &[&since, &who]).await.map_err(bad)? {
                    let note = (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))().map_err(bad)?;
                    found.notes.push(note);
                    found.mark = row.try_get(3).map_err(bad)?;
                }
                let row = transaction.query_one(LAST, &[]).await.map_err(bad)?;
                let last: i64 = row.try_get(0).map_err(bad)?;
                found.mark = found.mark.min(last);
                Ok(found)
            })
            .await
    }

    async fn go(&self, who: &str) -> Result<(), StoreError> {
        let shared = &self.0;
        let bad = |error| shared.fault(error);
        shared
            .patiently(PATIENCE, async {
                let mut client = shared.client().await?;
                let transaction = client.transaction().await.map_err(bad)?;
                transaction
                    .execute("DELETE FROM meshtcp_process WHERE who = $1", &[&who])
                    .await
                    .map_err(bad)?;
                transaction.execute("DELETE FROM meshtcp_note WHERE who = $1", &[&who]).await.map_err(bad)?;
                transaction.commit().await.map_err(bad)
            })
            .await
    }
}
