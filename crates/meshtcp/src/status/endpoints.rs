//! `meshtcp status endpoints`: health of endpoints, as seen by running proxies.

use serde_json::Value;

use super::admins::Known;
use super::{list, text};
use crate::output;

/// Health of endpoints, by cluster.
pub(super) const KNOWN: Known = Known {
    word: "endpoints",
    what: "the health of endpoints",
    rows: |status| list(status, "clusters"),
    names: ["cluster", "proxy"],
    table,
};

/// Table with a line per endpoint.
fn table(clusters: &Value) -> String {
    let clusters = clusters.as_array().map(Vec::as_slice).unwrap_or_default();
    if clusters.is_empty() {
        return "no endpoint is checked, set aside, started slowly or limited\n".to_owned();
    }
    let rows =
        clusters.iter().flat_map(|cluster| list(cluster, "endpoints").iter().map(move |it| row(cluster, it)));
    output::table(["PROXY", "CLUSTER", "IS", "USED", "ENDPOINT", "STATE", "SINCE", "WEIGHT", "WHY"], rows)
}

fn row(cluster: &Value, endpoint: &Value) -> [String; 9] {
    let used = |key: &str| {
        let usage = cluster.get(key)?;
        Some(format!("{}/{}", usage.get("used")?, usage.get("limit")?))
    };
    let used: Vec<String> = [("connections", ""), ("pending", " pending")]
        .into_iter()
        .filter_map(|(key, word)| Some(used(key)? + word))
        .collect();
    [
        text(cluster, "proxy").to_owned(),
        text(cluster, "cluster").to_owned(),
        text(cluster, "condition").to_owned(),
        if used.is_empty() { "-".to_owned() } else { used.join(", ") },
        text(endpoint, "endpoint").to_owned(),
        text(endpoint, "state").to_owned(),
        // whole seconds are precise enough for people
        text(endpoint, "since").split('.').next().unwrap_or_default().trim_end_matches('Z').to_owned() + "Z",
        format!("{}%", endpoint["warmthPercent"].as_u64().unwrap_or_default()),
        text(endpoint, "why").to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_endpoint_says_how_it_is_since_when_and_why() {
        let clusters = json!([{
            "proxy": "default/web-1", "cluster": "redis", "condition": "calm",
            "connections": {"used": 3, "limit": 10}, "pending": null,
            "endpoints": [{
                "endpoint": "10.0.0.1:80", "state": "ejected", "since": "2026-01-02T03:04:05.678Z",
                "why": "3 connects in a row failed", "warmthPercent": 100
            }]
        }]);
        let lines: Vec<String> = table(&clusters).lines().map(str::to_owned).collect();
        let words: Vec<&str> = lines[1].split_whitespace().collect();
        let expected = "default/web-1 redis calm 3/10 10.0.0.1:80 ejected 2026-01-02T03:04:05Z 100% 3 connects in a row failed";
        assert_eq!(words.join(" "), expected);
    }
}
