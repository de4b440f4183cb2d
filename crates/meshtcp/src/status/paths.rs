//! `meshtcp status paths`: data path of connections to each outbound, as proxies reported it to the control plane, or as
//! running proxies see it.

use change::paths::{OutboundPath, ReportedPaths};
use change::report::ProxyReport;
use serde_json::{Value, json};
use xds::{Family, Foreign};

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

/// Data path of every outbound of these proxies, as they reported it; with a `name`, only rows with a listener or a proxy
/// that contains it. An attached proxy that reported none has one row, which says so.
pub(super) fn reported(proxies: &[ProxyReport], name: Option<&str>) -> Value {
    let mut found: Vec<Value> = proxies.iter().flat_map(rows_of).collect();
    if let Some(name) = name {
        found.retain(|row| KNOWN.names.iter().any(|key| text(row, key).contains(name)));
    }
    found.into()
}

fn rows_of(ProxyReport { proxy, connection, paths, .. }: &ProxyReport) -> Vec<Value> {
    let proxy = proxy.to_string();
    let Some(paths) = paths else {
        let row = |path, why: Option<&str>| vec![json!({ "proxy": proxy, "path": path, "why": why })];
        return match connection.as_ref().map(|connection| connection.dialect) {
            None => Vec::new(),
            Some(Family::Envoy) => row("envoy", None),
            Some(Family::L4) => {
                row("unknown", Some("it has not said: it is of an older version, or has only just attached"))
            }
        };
    };
    let ReportedPaths { at, stale, outbounds, left_out } = &**paths;
    let told = |listener: Option<&str>, path: &str, why: Option<&str>| json!({ "proxy": proxy, "listener": listener, "path": path, "why": why, "at": at, "stale": stale });
    let row = |OutboundPath { listener, path, why }: &OutboundPath| {
        told(Some(listener), path.as_str(), why.as_deref())
    };
    let more = (*left_out > 0).then(|| {
        let why = format!("{left_out} more outbounds, which are not listed");
        told(None, "unknown", Some(&why))
    });
    outbounds.iter().map(row).chain(more).collect()
}

/// Table with a line per listener. Texts of proxies are not trusted.
fn table(listeners: &Value) -> String {
    let rows = listeners.as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |it: &Value| {
        let is_stale = it.get("stale").and_then(Value::as_bool).unwrap_or_default();
        let since = is_stale.then(|| format!("as of {}, it has not reported since", text(it, "at")));
        let why = [text(it, "why").to_owned()].into_iter().chain(since).filter(|it| !it.is_empty());
        let why = why.collect::<Vec<_>>().join("; ");
        let listener = match text(it, "listener") {
            "" => "-".to_owned(),
            listener => Foreign::name(listener).to_string(),
        };
        [
            text(it, "proxy").to_owned(),
            listener,
            text(it, "path").to_owned(),
            Foreign::message(&why).to_string(),
        ]
    };
    output::table(["PROXY", "LISTENER", "PATH", "WHY"], rows.iter().map(row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(table: &str) -> Vec<String> {
        table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_listener_says_which_way_and_why() {
        let listeners = json!([
            {"proxy": "default/web-1", "listener": "outbound:127.0.0.1:1", "path": "kernel", "why": null},
            {"proxy": "default/web-1", "listener": "inbound:127.0.0.1:2", "path": "relay", "why": "it is an inbound"},
        ]);
        assert_eq!(
            lines(&table(&listeners)),
            [
                "default/web-1 outbound:127.0.0.1:1 kernel",
                "default/web-1 inbound:127.0.0.1:2 relay it is an inbound"
            ]
        );
    }

    fn proxies() -> Vec<ProxyReport> {
        let proxy = |name: &str, dialect: Option<&str>, paths: Value| {
            json!({
                "proxy": format!("default/{name}"), "known": true, "streams": 1, "revision": 1, "runs": 1,
                "published": null, "accepted": null, "inSync": true, "paths": paths,
                "connection": dialect.map(|dialect| json!({
                    "since": "2026-11-30T01:00:00Z", "protocol": "delta", "dialect": dialect, "peer": null, "agent": "",
                })),
            })
        };
        let paths = |stale| {
            json!({
                "at": "2026-11-30T01:00:01Z", "stale": stale, "leftOut": 2,
                "outbounds": [
                    {"listener": "outbound:127.0.0.1:1", "path": "kernel"},
                    {"listener": "outbound:127.0.0.1:2", "path": "relay", "why": "what clients send is copied to a mirror"},
                ],
            })
        };
        let all = json!([
            proxy("envoy", Some("envoy"), Value::Null),
            proxy("gone", None, paths(true)),
            proxy("never", None, Value::Null),
            proxy("old", Some("l4"), Value::Null),
            proxy("web", Some("l4"), paths(false)),
        ]);
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn what_was_reported_is_said_and_nothing_else() {
        assert_eq!(
            lines(&table(&reported(&proxies(), None))),
            [
                "default/envoy - envoy",
                "default/gone outbound:127.0.0.1:1 kernel as of 2026-11-30T01:00:01Z, it has not reported since",
                "default/gone outbound:127.0.0.1:2 relay what clients send is copied to a mirror; as of \
                 2026-11-30T01:00:01Z, it has not reported since",
                "default/gone - unknown 2 more outbounds, which are not listed; as of 2026-11-30T01:00:01Z, it has not \
                 reported since",
                "default/old - unknown it has not said: it is of an older version, or has only just attached",
                "default/web outbound:127.0.0.1:1 kernel",
                "default/web outbound:127.0.0.1:2 relay what clients send is copied to a mirror",
                "default/web - unknown 2 more outbounds, which are not listed",
            ]
        );
    }

    #[test]
    fn a_name_is_that_of_a_proxy_or_of_an_outbound() {
        let count = |name| reported(&proxies(), Some(name)).as_array().unwrap().len();
        assert_eq!((count("web"), count("127.0.0.1:2"), count("nothing")), (3, 2, 0));
    }
}
