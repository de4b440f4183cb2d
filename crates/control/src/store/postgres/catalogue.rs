//! Look-ups in the catalogue of tables.

use tokio_postgres::Transaction;

/// Returns `true` if a table exists, even if this connection looked before another one created it: missing names are
/// cached, the rows of the catalogue are not.
pub(super) async fn is_made(
    transaction: &Transaction<'_>,
    table: &str,
) -> Result<bool, tokio_postgres::Error> {
    let made = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid))";
    transaction.query_one(made, &[&table]).await?.try_get(0)
}
