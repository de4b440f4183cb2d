//! The metrics, the table that describes them, and the dashboard that asks for them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::backend::serve;
use crate::connection::tally;
use crate::program::Up;
use crate::town::Town;

/// The names under which Prometheus keeps what the program serves, and each family's name in the table.
fn served() -> (BTreeSet<String>, BTreeSet<String>) {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    tally(town.outbound, 4);
    let (_, text) = up.ask("/metrics");
    let (mut series, mut families) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        series.extend(endings.iter().map(|ending| format!("{name}{ending}")));
        families.insert(if kind == "counter" { format!("{name}_total") } else { name.to_owned() });
    }
    (series, families)
}

/// Every word of a text that names a metric of ours.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("meshtcp_")).map(str::to_owned).collect()
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_dashboard_asks_for_what_is_there_and_the_table_says_all() {
    let (series, families) = served();
    let dashboard: serde_json::Value = serde_json::from_str(&file("dashboards/meshtcp.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let queries: Vec<String> = queries.map(|query| query["expr"].as_str().unwrap().to_owned()).collect();
    assert!(queries.len() > 20);
    let asked = names_in(&queries.join("\n"));
    let unknown: Vec<_> = asked.difference(&series).collect();
    assert!(unknown.is_empty(), "the dashboard asks for {unknown:?}, but there is {series:?}");

    let guide = file("docs/guide/metrics.md");
    let (table, _) = guide.split_once("## The control plane").unwrap();
    let described: BTreeSet<String> =
        table.lines().filter(|line| line.starts_with("| `meshtcp_")).flat_map(names_in).collect();
    assert_eq!(described, families);
}
