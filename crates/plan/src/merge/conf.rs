//! What a `to` item says, and how what several of them say is put together.

use std::borrow::Cow;

use model::policy::PolicyItem;
use model::{Kind, TargetRef};
use serde_json::{Map, Value, json};

use crate::merge::{http, patch};

/// What an item says: for MeshTCPRoute its only rule, or a route to its own destination when it has none (spec 01 §2.4);
/// for every other kind its conf as it stands.
pub(crate) fn effective(kind: Kind, item: &PolicyItem) -> Cow<'_, Value> {
    let PolicyItem { target, conf } = item;
    let rules = conf.get("rules").and_then(Value::as_array);
    match (kind, rules.and_then(|rules| rules.first())) {
        (Kind::MeshTCPRoute, Some(rule)) => Cow::Borrowed(rule),
        (Kind::MeshTCPRoute, None) => Cow::Owned(to_itself(target)),
        _ => Cow::Borrowed(conf),
    }
}

/// Merges confs, least important first. More than one comes out only for MeshHTTPRoute, one a hostname.
pub(crate) fn merged<'a>(kind: Kind, confs: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    match kind {
        Kind::MeshHTTPRoute => http::merge(confs),
        _ => patch::fold(confs).into_iter().collect(),
    }
}

/// The hashes of the rules in a conf that have backendRefs: `""` for TCP, which has one rule without matches.
pub(crate) fn backend_ref_hashes(kind: Kind, conf: &Value) -> Vec<String> {
    match kind {
        Kind::MeshTCPRoute => {
            conf.pointer("/default/backendRefs").map(|_| String::new()).into_iter().collect()
        }
        Kind::MeshHTTPRoute => {
            let rules = conf.get("rules").and_then(Value::as_array).into_iter().flatten();
            rules
                .filter(|rule| rule.pointer("/default/backendRefs").is_some())
                .map(|rule| http::matches_hash(rule.get("matches")))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn to_itself(target: &TargetRef) -> Value {
    let TargetRef { kind, name, namespace, labels, tags, section_name, proxy_types: _ } = target;
    let mut reference = Map::new();
    reference.insert("kind".to_owned(), json!(kind.as_str()));
    let mut text = |key: &str, value: &Option<String>| {
        value.as_ref().map(|value| reference.insert(key.to_owned(), json!(value)));
    };
    text("name", name);
    text("namespace", namespace);
    text("sectionName", section_name);
    if let Some(labels) = labels {
        reference.insert("labels".to_owned(), pairs(labels.iter()));
    }
    if !tags.is_empty() {
        reference.insert("tags".to_owned(), pairs(tags.iter()));
    }
    reference.insert("weight".to_owned(), json!(1));
    json!({ "default": { "backendRefs": [reference] } })
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect())
}
