//! What only running proxies know, asked of their admin servers.

use serde_json::Value;

use super::text;
use crate::client::Client;
use crate::exit::Exit;
use crate::output;

/// One of those things.
pub(super) struct Known {
    /// The word of the command for it.
    pub(super) word: &'static str,
    /// What it is, after "a control plane does not know".
    pub(super) what: &'static str,
    /// The rows in an answer to `/status`.
    pub(super) rows: fn(&Value) -> &[Value],
    /// The members of a row of which one has to contain the name that is asked for.
    pub(super) names: [&'static str; 2],
    /// How rows are drawn.
    pub(super) table: fn(&Value) -> String,
}

/// The rows of the proxies whose admin servers are at these addresses; with a `name`, those that are called something that
/// contains it.
///
/// # Errors
/// How to end, after it was said why.
pub(super) fn ask(known: &Known, addresses: &[String], name: Option<&str>) -> Result<Value, Exit> {
    let Known { word, what, rows, names, table: _ } = known;
    if addresses.is_empty() {
        output::complain(&format!(
            "error: a control plane does not know {what}: the proxies do\n  \
             help: meshtcp status {word} --proxy-admin HOST:PORT, the --admin address of `up` or `proxy`\n"
        ));
        return Err(Exit::Usage);
    }
    let mut found = Vec::new();
    for address in addresses {
        let status = Client::of_admin(address).get("/status").map_err(|failed| failed.said())?;
        found.extend(rows(&status.unwrap_or_default()).iter().cloned());
    }
    if let Some(name) = name {
        found.retain(|row| names.iter().any(|key| text(row, key).contains(name)));
    }
    Ok(found.into())
}
