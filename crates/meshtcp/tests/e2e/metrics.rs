//! The metrics, the tables that describe them, and the dashboard and alerts that query them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::backend::{free_ports, serve};
use crate::connection::tally;
use crate::program::{Program, Up, ask, eventually, meshtcp};
use crate::store::ControlPlane;
use crate::town::Town;

/// Names under which Prometheus stores the metrics of a page, and each family's name in the table.
fn served(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut series, mut families) = (BTreeSet::new(), BTreeSet::new());
    for line in page.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let endings: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        series.extend(endings.iter().map(|ending| format!("{name}{ending}")));
        families.insert(name.to_owned());
    }
    (series, families)
}

/// `/metrics` of a process that carries connections, and has a certificate.
fn of_up() -> String {
    let town = Town::new();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    let [port] = free_ports();
    town.save(
        "secured.yaml",
        &format!(
            "type: Mesh\nname: secured\nmtls:\n  enabledBackend: ca\n  backends: [{{name: ca, type: builtin}}]\n---\n\
             type: Dataplane\nmesh: secured\nname: db-1\nnetworking:\n  address: 127.0.0.1\n  \
             inbound: [{{port: {port}, servicePort: 1, tags: {{kuma.io/service: db}}}}]\n"
        ),
    );
    let up = Up::start(&[&town.path(), "--dns", "--dns-address", "127.0.0.1:0"]);
    up.is_ready();
    tally(town.outbound, 4);
    eventually("there is a certificate", || {
        up.ask("/metrics").1.contains("# TYPE meshtcp_tls_certificate_end_seconds")
    });
    up.ask("/metrics").1
}

/// `/metrics` of a control plane that has a store, and a proxy with a certificate.
fn of_control_plane() -> String {
    let control_plane = ControlPlane::start("memory", &["--admin", "127.0.0.1:0"]);
    let line = control_plane.program.awaits_text(0, "admin: http://");
    let admin = line.trim_start_matches("admin: http://");
    let mtls = json!({ "enabledBackend": "ca", "backends": [{ "name": "ca", "type": "builtin" }] });
    control_plane.put("/meshes/default", &json!({ "type": "Mesh", "name": "default", "mtls": mtls }));
    let [port] = free_ports();
    control_plane.put(
        "/meshes/default/dataplanes/web-1",
        &json!({ "type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {
            "address": "127.0.0.1", "inbound": [{ "port": port, "tags": { "kuma.io/service": "web" } }],
        } }),
    );
    // without a resource that needs a secret there would be no metric about loading it
    control_plane.put(
        "/meshes/default/meshexternalservices/db",
        &json!({ "type": "MeshExternalService", "mesh": "default", "name": "db", "spec": {
            "match": { "type": "HostnameGenerator", "port": 5432, "protocol": "tcp" },
            "endpoints": [{ "address": "127.0.0.1", "port": 5432 }],
            "tls": { "enabled": true, "verification": { "caCert": { "secret": "db-ca" } } },
        } }),
    );
    // without a rollout there would be no metric of rollouts
    let [old, new] = ["web", "web-next"].map(|name| json!({ "kind": "MeshService", "name": name }));
    control_plane.put(
        "/meshes/default/meshtcproutes/next",
        &json!({ "type": "MeshTCPRoute", "mesh": "default", "name": "next", "spec": {
            "targetRef": { "kind": "Mesh" },
            "to": [{ "targetRef": &old, "rules": [{ "default": { "backendRefs": [&old] } }] }],
        } }),
    );
    control_plane.put(
        "/meshes/default/meshtcprollouts/next",
        &json!({ "type": "MeshTCPRollout", "mesh": "default", "name": "next", "spec": {
            "targetRef": { "kind": "MeshTCPRoute", "name": "next" }, "from": &old, "to": &new,
            "steps": [{ "weight": 10, "duration": "1h" }],
        } }),
    );
    let _proxy =
        Program::start(meshtcp(["proxy", "--proxy", "web-1", "--control-plane", &control_plane.xds]));
    control_plane.program.awaits_text(0, "attached");
    eventually("the roll-out is counted", || {
        let page = ask(admin, "/metrics").1;
        let wanted = [
            "rollout_live_after_seconds",
            "identity_first_certificate_end_timestamp_seconds",
            "identity_external_secret_unreadable",
            "rollout_phase",
        ];
        wanted.iter().all(|name| page.contains(&format!("# TYPE meshtcp_{name}")))
    });
    ask(admin, "/metrics").1
}

/// Words of a text that name a metric of ours.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| word.starts_with("meshtcp_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Metrics in a table of the guide.
fn described(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let names = rows.map(|(name, _)| name.to_owned());
    names.filter(|name| name.starts_with("meshtcp_") || name.starts_with("process_")).collect()
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_there_and_the_tables_say_all() {
    let ((carried, of_up), (told, of_control_plane)) = (served(&of_up()), served(&of_control_plane()));
    let series: BTreeSet<String> = carried.union(&told).cloned().collect();
    let is_there = |query: &str| {
        let unknown: Vec<_> = names_in(query).into_iter().filter(|name| !series.contains(name)).collect();
        assert!(unknown.is_empty(), "`{query}` asks for {unknown:?}, but there is {series:?}");
    };
    let dashboard: serde_json::Value = serde_json::from_str(&file("dashboards/meshtcp.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let mut shown = BTreeSet::new();
    for panel in panels {
        let said = panel["description"].as_str().unwrap_or_default();
        assert!(said.len() > 20, "{} says nothing of what it shows", panel["title"]);
        for query in panel["targets"].as_array().unwrap().iter().map(|query| query["expr"].as_str().unwrap())
        {
            is_there(query);
            is_balanced(query);
            shown.extend(names_in(query));
        }
    }
    assert!(shown.len() > 50, "{shown:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        is_there(variable["definition"].as_str().unwrap_or_default());
    }
    let names: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "instance", "mesh", "proxy", "listener"]);

    let (documents, problems) = model::draft::read("alerts.yaml", &file("dashboards/alerts.yaml"));
    assert_eq!(problems, []);
    let mut alerts = BTreeSet::new();
    for group in documents[0].value()["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let text = |pointer: &str| {
                rule.pointer(pointer).and_then(|it| it.as_str()).unwrap_or_default().to_owned()
            };
            let name = text("/alert");
            assert!(!name.is_empty() && alerts.insert(name.clone()), "{name} is there twice");
            is_there(&text("/expr"));
            is_balanced(&text("/expr"));
            assert!(!names_in(&text("/expr")).is_empty() && text("/expr").contains(['>', '=']), "{name}");
            assert!(["info", "warning", "critical"].contains(&text("/labels/severity").as_str()), "{name}");
            let wait = text("/for");
            assert!(wait.is_empty() || model::policy::parse_duration(&wait).is_some(), "{name}: {wait}");
            for said in [text("/annotations/summary"), text("/annotations/description")] {
                assert!(
                    said.len() > 20 && said.matches("{{").count() == said.matches("}}").count(),
                    "{name}: {said}"
                );
            }
            // a label that the sum has not kept is empty in the message
            let kept = text("/expr");
            let labels = text("/annotations/summary") + &text("/annotations/description");
            for label in labels.split("$labels.").skip(1) {
                let label: String = label.chars().take_while(|it| it.is_ascii_alphanumeric()).collect();
                let is_kept = !kept.contains("by (")
                    || kept.split("by (").any(|by| by.split(')').next().unwrap().contains(&label));
                assert!(is_kept, "{name}: nothing keeps {label}");
            }
        }
    }
    assert!(alerts.len() > 12, "{alerts:?}");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/alerts.yaml");
    let checked = Command::new("promtool").args(["check", "rules"]).arg(rules).output();
    let checked = checked.expect("promtool of Debian's package prometheus");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let guide = file("docs/guide/metrics.md");
    let (table, rest) = guide.split_once("## The control plane").unwrap();
    assert_eq!(described(table), of_up);
    let (table, _) = rest.split_once("\n## ").unwrap();
    assert_eq!(described(table), of_control_plane);
}

/// Asserts that each bracket of a query is closed.
fn is_balanced(query: &str) {
    let mut open = Vec::new();
    for letter in query.chars() {
        match letter {
            '(' | '[' | '{' => open.push(letter),
            ')' => assert_eq!(open.pop(), Some('('), "{query}"),
            ']' => assert_eq!(open.pop(), Some('['), "{query}"),
            '}' => assert_eq!(open.pop(), Some('{'), "{query}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{query}");
}

#[test]
fn counters_are_there_before_anything_was_counted() {
    let town = Town::new();
    let up = Up::start(&[&town.path()]);
    up.is_ready();
    let (_, page) = up.ask("/metrics");
    let zero = |name: &str, label: &str| {
        page.lines().any(|line| line.starts_with(name) && line.contains(label) && line.ends_with(" 0"))
    };
    assert!(zero("meshtcp_connections_refused_total{", r#"reason="connect-refused""#), "{page}");
    assert!(zero("meshtcp_connections_ended_total{", r#"ended="idle-timeout""#), "{page}");
    assert!(zero("meshtcp_proxy_connections_ended_total{", r#"ended="limit""#), "{page}");
    let page = of_control_plane();
    assert!(page.contains(r#"meshtcp_discovery_nacks_total{type="Listener",dialect="l4"} 0"#), "{page}");
    assert!(page.contains(r#"meshtcp_store_operations_total{operation="put",outcome="failed"} 0"#), "{page}");
    assert!(page.contains(r#"meshtcp_problems{severity="error"} 0"#), "{page}");
}
