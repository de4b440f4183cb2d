//! Recorded requests of Kuma's own tools, replayed here; the answers are compared by meaning.
//!
//! `recorded/*.jsonl` has the conversations, one exchange per line, in their order. `recorded/intended.tsv` has the
//! intended differences, one per row: a pattern of "CONVERSATION LABEL METHOD PATH", a pattern of the place in the
//! answer, the reason. A row that no longer matches anything is an error too.

mod compare;

use std::collections::BTreeSet;

use meshtcp_control::api::{Setup, prepare};
use model::draft::Options;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Reply, send};
use crate::server::{Server, trusting};
use compare::{Difference, compare, compare_problems};

/// Request and its answer.
#[derive(Deserialize)]
struct Exchange {
    label: String,
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
    status: u16,
    /// Media type of the answer; empty: there was none.
    r#type: String,
    answer: Value,
}

const KUMACTL: &str = include_str!("recorded/kumactl.jsonl");
const PUTS: &str = include_str!("recorded/rest-puts.jsonl");
const VIEWS: &str = include_str!("recorded/rest-views.jsonl");
const ERRORS: &str = include_str!("recorded/errors.jsonl");
const INTENDED: &str = include_str!("recorded/intended.tsv");

fn exchanges(text: &str) -> Vec<Exchange> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Intended difference.
struct Intended {
    exchange: Regex,
    place: Regex,
    row: &'static str,
}

fn intended() -> Vec<Intended> {
    let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let rows = INTENDED.lines().filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| {
        let [exchange, place, reason] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three fields: {row}")
        };
        assert!(!reason.trim().is_empty(), "{row}");
        Intended { exchange: Regex::new(exchange).unwrap(), place: whole(place), row }
    })
    .collect()
}

/// Starts a control plane as Kuma's tools expect it, empty but for what every one makes by itself.
async fn empty() -> Server {
    let rules = Options { zone: Some("default".into()), ..Options::default() };
    let setup = Setup { rules, product: "Kuma".into(), version: "2.14.3".into(), ..trusting() };
    let server = Server::start(setup).await;
    prepare(&server.store, Some("default")).await.unwrap();
    let defaults =
        ["meshtimeouts", "meshretries", "meshcircuitbreakers"].map(|kind| format!("/meshes/default/{kind}"));
    let recorded = exchanges(KUMACTL);
    let listed = recorded.iter().filter(|it| defaults.contains(&it.path));
    for policy in listed.flat_map(|it| it.answer["items"].as_array().unwrap()) {
        put(&server, policy).await;
    }
    server
}

/// Puts a resource from an answer, as a person writes it.
async fn put(server: &Server, shown: &Value) {
    let mut document = shown.clone();
    let members = document.as_object_mut().unwrap();
    for computed in ["creationTime", "modificationTime", "kri", "status"] {
        members.shift_remove(computed);
    }
    if let Some(labels) = members.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|key, _| !key.starts_with("kuma.io/"));
    }
    if let Some(inbounds) = document.pointer_mut("/networking/inbound").and_then(Value::as_array_mut) {
        for inbound in inbounds {
            inbound["tags"].as_object_mut().unwrap().shift_remove("kuma.io/zone");
        }
    }
    let plural = model::Kind::from_text(shown["type"].as_str().unwrap()).unwrap().plural();
    let path =
        format!("/meshes/{}/{plural}/{}", shown["mesh"].as_str().unwrap(), shown["name"].as_str().unwrap());
    let reply = ask(server, "PUT", &path, &document).await;
    assert!(matches!(reply.status, 200 | 201), "{path}: {}", reply.body);
}

async fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Reply {
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        tree => tree.to_string(),
    };
    let reply =
        send(server.address, &format!("{method} {path}\nContent-Type: application/json"), &body).await;
    if method != "GET" {
        server.settle().await;
    }
    reply
}

/// Replays a conversation, and returns the unintended differences. `used`: the rows that matched.
async fn play(
    server: &Server,
    conversation: &str,
    text: &str,
    intended: &[Intended],
    used: &mut BTreeSet<&'static str>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for exchange in exchanges(text) {
        let Exchange { label, method, path, body, status, r#type, answer } = &exchange;
        let reply = ask(server, method, path, body).await;
        let ours = serde_json::from_str(&reply.body).unwrap_or_else(|_| match reply.body.as_str() {
            "" => Value::Null,
            text => json!(text),
        });
        let found = differences((*status, r#type, answer), &reply, &ours);
        let what = format!("{conversation} {label} {method} {path} ");
        for difference in found {
            let general = difference.general();
            let rows =
                intended.iter().filter(|it| it.exchange.is_match(&what) && it.place.is_match(&general));
            let rows: Vec<&str> = rows.map(|it| it.row).collect();
            if rows.is_empty() {
                wrong.push(format!("{what}\n  {difference}"));
            }
            used.extend(intended.iter().filter(|it| rows.contains(&it.row)).map(|it| it.row));
        }
    }
    wrong
}

fn differences((status, kind, theirs): (u16, &str, &Value), reply: &Reply, ours: &Value) -> Vec<Difference> {
    if reply.status != status {
        let words = format!("is {}, not {status}", reply.status);
        return vec![Difference::new("status", words, theirs, ours)];
    }
    let is_problem = status >= 400 && theirs.is_object();
    let mut found = if is_problem { compare_problems(theirs, ours) } else { compare(theirs, ours) };
    let ours_is = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if !kind.is_empty() && ours_is != kind {
        found.push(Difference::new(
            "content-type",
            format!("is `{ours_is}`, not `{kind}`"),
            &Value::Null,
            &Value::Null,
        ));
    }
    found
}

#[tokio::test]
async fn kumas_tools_are_answered_as_by_their_own_control_plane() {
    let (intended, mut used) = (intended(), BTreeSet::new());
    let server = empty().await;
    let mut wrong = play(&server, "kumactl", KUMACTL, &intended, &mut used).await;

    let server = empty().await;
    wrong.extend(play(&server, "rest", PUTS, &intended, &mut used).await);
    for gone in [
        "meshproxypatches/mpp",
        "meshtraces/mtr",
        "meshmetrics/mm",
        "traffic-traces/tt",
        "traffic-logs/tl",
        "meshfaultinjections/mfi",
    ] {
        ask(&server, "DELETE", &format!("/meshes/walk/{gone}"), &Value::Null).await;
    }
    let views = exchanges(VIEWS);
    let dataplanes = views.iter().find(|it| it.path == "/meshes/walk/dataplanes").unwrap();
    for dataplane in dataplanes.answer["items"].as_array().unwrap().iter().filter(|it| it["name"] != "pay-1")
    {
        put(&server, dataplane).await;
    }
    wrong.extend(play(&server, "rest", VIEWS, &intended, &mut used).await);
    wrong.extend(play(&server, "errors", ERRORS, &intended, &mut used).await);

    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<&str> = intended.iter().map(|it| it.row).filter(|row| !used.contains(row)).collect();
    assert!(unused.is_empty(), "no answer differs by these any more:\n{}", unused.join("\n"));
}
