//! MeshHTTPRoute's own way of merging: rules with the same matches become one, and hostnames stay apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::merge::patch;

/// Merges confs, least important first, into one conf a hostname (or one without hostnames).
///
/// The rules of a more important conf come first. Where several have a rule with the same matches, it is one rule, and
/// what the more important one says is applied to what the others say.
pub(crate) fn merge<'a>(confs: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut merged: Vec<(Option<&Value>, Vec<&Value>)> = Vec::new();
    for conf in confs {
        for hostname in hostnames(conf) {
            match merged.iter_mut().find(|(known, _)| *known == hostname) {
                Some((_, confs)) => confs.push(conf),
                None => merged.push((hostname, vec![conf])),
            }
        }
    }
    merged.into_iter().map(|(hostname, confs)| conf_for(hostname, &confs)).collect()
}

/// A conf without hostnames is about every host.
fn hostnames(conf: &Value) -> Vec<Option<&Value>> {
    match conf.get("hostnames").and_then(Value::as_array) {
        Some(hostnames) if !hostnames.is_empty() => hostnames.iter().map(Some).collect(),
        _ => vec![None],
    }
}

fn conf_for(hostname: Option<&Value>, confs: &[&Value]) -> Value {
    let mut rules: Vec<(Value, Value)> = Vec::new();
    for conf in confs.iter().rev() {
        for rule in conf.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let matches = rule.get("matches").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
            let says = rule.get("default").cloned().unwrap_or_else(|| Value::Object(Map::new()));
            match rules.iter_mut().find(|(known, _)| *known == matches) {
                Some((_, default)) => {
                    let more_important = std::mem::replace(default, says);
                    patch::apply(default, &more_important);
                }
                None => rules.push((matches, says)),
            }
        }
    }
    let mut conf = Map::new();
    if let Some(hostname) = hostname {
        conf.insert("hostnames".to_owned(), Value::Array(vec![hostname.clone()]));
    }
    let rule = |(matches, default)| {
        Value::Object(Map::from_iter([("matches".to_owned(), matches), ("default".to_owned(), default)]))
    };
    conf.insert("rules".to_owned(), Value::Array(rules.into_iter().map(rule).collect()));
    Value::Object(conf)
}

/// The hash by which the reference names the matches of a rule: SHA-256 of their JSON with fields in a fixed order.
pub(crate) fn matches_hash(matches: Option<&Value>) -> String {
    let list = matches.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text: Vec<String> = list.iter().map(|one| canonical(one, &MATCH)).collect();
    let text = if matches.is_some_and(Value::is_array) {
        format!("[{}]", text.join(","))
    } else {
        "null".to_owned()
    };
    STANDARD.encode(Sha256::digest(escape(&text)))
}

/// The fields of an object, in the order in which they are hashed, and what is in them.
struct Shape(&'static [(&'static str, Option<&'static Shape>)]);

static MATCH: Shape =
    Shape(&[("path", Some(&PATH)), ("method", None), ("queryParams", Some(&PAIR)), ("headers", Some(&PAIR))]);
static PATH: Shape = Shape(&[("value", None), ("type", None)]);
static PAIR: Shape = Shape(&[("type", None), ("name", None), ("value", None)]);

fn canonical(value: &Value, shape: &Shape) -> String {
    match value {
        Value::Array(list) => {
            format!("[{}]", list.iter().map(|item| canonical(item, shape)).collect::<Vec<_>>().join(","))
        }
        Value::Object(object) => {
            let known = shape.0.iter().filter_map(|(key, inner)| {
                let value = object.get(*key)?;
                let text = inner.map_or_else(|| value.to_string(), |shape| canonical(value, shape));
                Some(format!("\"{key}\":{text}"))
            });
            format!("{{{}}}", known.collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The reference writes these as escapes inside text, where alone they can occur in JSON.
fn escape(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hash_does_not_depend_on_the_order_of_fields() {
        let hash = "INA9CySpV6H/9i+YojV8runPQRKlTJorpk2wpmoIjeE=";
        let one = json!([{"path": {"type": "PathPrefix", "value": "/all-to-v1"}}]);
        let other = json!([{"path": {"value": "/all-to-v1", "type": "PathPrefix"}}]);
        assert_eq!(matches_hash(Some(&one)), hash);
        assert_eq!(matches_hash(Some(&other)), hash);
    }

    #[test]
    fn the_more_important_rule_comes_first_and_wins() {
        let rule = |path: &str, weight: u32| json!({"matches": [path], "default": {"weight": weight}});
        let low = json!({"rules": [rule("/a", 1), rule("/b", 1)]});
        let high = json!({"rules": [rule("/c", 2), rule("/a", 2)]});
        let merged = merge([&low, &high].into_iter());
        assert_eq!(merged, [json!({"rules": [rule("/c", 2), rule("/a", 2), rule("/b", 1)]})]);
    }
}
