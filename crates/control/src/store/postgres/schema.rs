//! Tables, and their migration to the format that this version reads.

use tokio_postgres::Client;

use super::catalogue::is_made;
use super::{board, fault, history};
use crate::store::StoreError;

/// Format of the tables that is written, and the only one that is read.
const FORMAT: i32 = 1;

/// Lock that serialises control planes which start at once ("meshtcp" in ASCII).
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'6d657368746370'::bigint)";

const TABLES: &str = "
CREATE TABLE meshtcp_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    format   integer NOT NULL,
    revision bigint  NOT NULL
);
CREATE TABLE meshtcp_resource (
    kind     text   NOT NULL,
    mesh     text   NOT NULL,
    name     text   NOT NULL,
    version  bigint NOT NULL,
    created  text   NOT NULL,
    modified text   NOT NULL,
    document json   NOT NULL,
    PRIMARY KEY (kind, mesh, name)
);
CREATE TABLE meshtcp_change (
    revision bigint PRIMARY KEY,
    kind     text NOT NULL,
    mesh     text NOT NULL,
    name     text NOT NULL,
    created  text,
    modified text,
    document json
);
INSERT INTO meshtcp_state (format, revision) VALUES (1, 0);
";

/// Creates the tables if they do not exist, and sets the connection up.
///
/// # Errors
/// They cannot be created, or are of another version.
pub(super) async fn prepare(client: &mut Client, words: &str) -> Result<(), StoreError> {
    let bad = |error: tokio_postgres::Error| fault::in_words(words, &error);
    // what is answered as accepted is on the disk of the database
    client.batch_execute("SET synchronous_commit = on; SET statement_timeout = '15s'").await.map_err(bad)?;
    if !are_there(client).await.map_err(bad)? {
        let transaction = client.transaction().await.map_err(bad)?;
        transaction.batch_execute(LOCK).await.map_err(bad)?;
        if !is_made(&transaction, "meshtcp_state").await.map_err(bad)? {
            transaction.batch_execute(TABLES).await.map_err(bad)?;
        }
        transaction.commit().await.map_err(bad)?;
    }
    // a user that may not create them works without: control planes then answer for their own proxies only, and say so;
    // and there is no history
    let _ = board::prepare(client, LOCK).await;
    let _ = history::prepare(client, LOCK).await;
    let row = client.query_one("SELECT format FROM meshtcp_state", &[]).await.map_err(bad)?;
    match row.try_get::<_, i32>(0).map_err(bad)? {
        FORMAT => Ok(()),
        other => Err(StoreError::Denied {
            store: words.into(),
            why: format!("its tables have format {other}, and this version of meshtcp reads format {FORMAT}"),
        }),
    }
}

const THERE: &str = "SELECT to_regclass('meshtcp_state') IS NOT NULL";

async fn are_there(client: &Client) -> Result<bool, tokio_postgres::Error> {
    client.query_one(THERE, &[]).await?.try_get(0)
}
