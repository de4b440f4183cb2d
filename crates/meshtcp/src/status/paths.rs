//! `meshtcp status paths`: which way connections to each outbound take, as running proxies see it.

use serde_json::Value;

use super::{list, text};
use crate::client::Client;
use crate::exit::Exit;
use crate::output;

/// The listeners of the proxies whose admin servers are at these addresses; those whose name or whose proxy's name contains
/// `name`.
///
/// # Errors
/// How to end, after it was said why.
pub(super) fn ask(addresses: &[String], name: Option<&str>) -> Result<Value, Exit> {
    if addresses.is_empty() {
        output::complain(
            "error: a control plane does not know which way connections take: the proxies do\n  \
             help: meshtcp status paths --proxy-admin HOST:PORT, the --admin address of `up` or `proxy`\n",
        );
        return Err(Exit::Usage);
    }
    let mut listeners = Vec::new();
    for address in addresses {
        let status = Client::of_admin(address).get("/status").map_err(|failed| failed.said())?;
        let data_path = status.as_ref().and_then(|status| status.get("dataPath"));
        listeners.extend(data_path.map(|it| list(it, "listeners")).unwrap_or_default().iter().cloned());
    }
    if let Some(name) = name {
        listeners.retain(|it| ["listener", "proxy"].iter().any(|key| text(it, key).contains(name)));
    }
    Ok(listeners.into())
}

/// A line for each listener.
pub(super) fn table(listeners: &Value) -> String {
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
