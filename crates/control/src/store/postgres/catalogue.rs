//! What tables there are.

use tokio_postgres::Transaction;

/// Whether a table is there, though this connection may have looked before another one made it: names that are not there are
/// remembered, what stands in the catalogue is read.
pub(super) async fn is_made(
    transaction: &Transaction<'_>,
    table: &str,
) -> Result<bool, tokio_postgres::Error> {
    let made = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid))";
    transaction.query_one(made, &[&table]).await?.try_get(0)
}
