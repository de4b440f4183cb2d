//! Findings about a proxy, from its admin server.

use serde_json::Value;

use super::finding::Finding;

/// Findings about a running `up` or `proxy`, from its `/status`.
pub(super) fn look(address: &str, status: &Value) -> Vec<Finding> {
    let what = format!("proxy {address}");
    let text = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
    let mut found = Vec::new();
    let unbound = status.get("unbound").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !unbound.is_empty() {
        let all: Vec<String> =
            unbound.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
        found.push(
            Finding::fail(&*what, format!("cannot listen: {}", all.join("; ")))
                .help("another process has the address: it is tried again every second"),
        );
    }
    if status.get("ready") == Some(&Value::Bool(false)) {
        found.push(Finding::fail(
            &*what,
            format!("is not ready: {}", text("/unready").unwrap_or("it does not say why")),
        ));
    }
    match status.pointer("/controlPlane/connected") {
        Some(Value::Bool(false)) => {
            let at = text("/controlPlane/address").unwrap_or_default();
            let why = text("/controlPlane/error").unwrap_or("it does not say why");
            found.push(
                Finding::warn(&*what, format!("is not attached to {at}: {why}"))
                    .help("what it runs goes on; it comes back by itself"),
            );
        }
        Some(_) if status.pointer("/controlPlane/waiting") == Some(&Value::Bool(true)) => {
            found.push(Finding::warn(&*what, "waits: the control plane knows no Dataplane of its name"));
        }
        _ => {}
    }
    let clusters = status.get("clusters").and_then(Value::as_array).into_iter().flatten();
    let endpoints = clusters.filter_map(|it| it.get("endpoints")?.as_array()).flatten();
    let states = endpoints.filter_map(|it| it.get("state")?.as_str());
    let down = states.filter(|state| ["down", "ejected"].contains(state)).count();
    if down > 0 {
        found.push(
            Finding::warn(&*what, format!("{down} endpoints are down or set aside"))
                .help(format!("meshtcp status endpoints --proxy-admin {address}")),
        );
    }
    if found.is_empty() {
        let open = status.get("connections").and_then(Value::as_u64).unwrap_or_default();
        found.push(Finding::ok(what, format!("{open} open connections")));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_proxy_says_what_it_lacks() {
        for (status, level, says) in [
            (json!({ "ready": true, "connections": 3, "unbound": [] }), Level::Ok, "3 open"),
            (json!({ "unbound": ["127.0.0.1:80"] }), Level::Fail, "127.0.0.1:80"),
            (json!({ "ready": false, "unready": "no files" }), Level::Fail, "no files"),
            (
                json!({ "controlPlane": { "connected": false, "address": "cp:1", "error": "gone" } }),
                Level::Warn,
                "cp:1: gone",
            ),
            (json!({ "controlPlane": { "connected": true, "waiting": true } }), Level::Warn, "no Dataplane"),
            (
                json!({ "clusters": [{ "endpoints": [{ "state": "down" }, { "state": "up" }] }] }),
                Level::Warn,
                "1 endpoints",
            ),
        ] {
            let found = look("127.0.0.1:9901", &status);
            assert_eq!((found.len(), found[0].level), (1, level), "{status}");
            assert!(found[0].says.contains(says), "{found:?}");
        }
    }
}
