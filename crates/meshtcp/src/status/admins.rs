//! Facts that only running proxies know, from their admin servers.

use serde_json::Value;

use super::text;
use crate::client::Client;
use crate::exit::Exit;
use crate::output;

/// Kind of such facts.
pub(super) struct Known {
    /// Word for it in the command.
    pub(super) word: &'static str,
    /// Description, after "a control plane does not know".
    pub(super) what: &'static str,
    /// Rows in an answer to `/status`.
    pub(super) rows: fn(&Value) -> &[Value],
    /// Members of a row, one of which must contain the requested name.
    pub(super) names: [&'static str; 2],
    /// Table of the rows.
    pub(super) table: fn(&Value) -> String,
}

/// Rows of the proxies whose admin servers are at these addresses; with a `name`, only those with a name that contains
/// it.
///
/// # Errors
/// Exit status, after the reason was reported.
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
