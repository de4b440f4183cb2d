//! `meshtcp status paths`: data path of connections to each outbound, as seen by running proxies.

use serde_json::Value;

use super::admins::Known;
use super::{list, text};
use crate::output;

/// Data path of connections, by listener.
pub(super) const KNOWN: Known = Known {
    word: "paths",
    what: "which way connections take",
    rows: |status| status.get("dataPath").map(|it| list(it, "listeners")).unwrap_or_default(),
    names: ["listener", "proxy"],
    table,
};

/// Table with a line per listener.
fn table(listeners: &Value) -> String {
    let rows = listeners.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |it: &Value| ["proxy", "listener", "path", "why"].map(|key| text(it, key).to_owned());
    output::table(["PROXY", "LISTENER", "PATH", "WHY"], rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listener_says_which_way_and_why() {
        let listeners = json!([
            {"proxy": "default/web-1", "listener": "outbound:127.0.0.1:1", "path": "kernel", "why": null},
            {"proxy": "default/web-1", "listener": "inbound:127.0.0.1:2", "path": "relay", "why": "it is an inbound"},
        ]);
        let table = table(&listeners);
        let words =
            |line: usize| table.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(1), "default/web-1 outbound:127.0.0.1:1 kernel");
        assert_eq!(words(2), "default/web-1 inbound:127.0.0.1:2 relay it is an inbound");
    }
}
