//! Differences of two trees, by field path.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Difference of one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Field, e.g. `spec.to[0].rules[0].default.backendRefs[redis-next].weight`.
    pub field: String,
    /// Previous value; `None`: the field was absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// New value; `None`: the field is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Differences of two trees, in the order of the second.
///
/// Items of a list are told apart by what they name (a backendRef by its reference, a port by its number), so that an
/// inserted item moves no other; lists whose items name nothing are compared by position.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(field: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let gone = before.keys().filter(|key| !after.contains_key(*key));
            for key in after.keys().chain(gone) {
                compare(below(&field, key), before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => lists(&field, before, after, found),
        (before, after) if before == after => {}
        (before, after) => {
            found.push(Difference { field, before: before.cloned(), after: after.cloned() });
        }
    }
}

fn lists(field: &str, before: &[Value], after: &[Value], found: &mut Vec<Difference>) {
    let (Some(old), Some(new)) = (names(before), names(after)) else {
        for at in 0..before.len().max(after.len()) {
            compare(format!("{field}[{at}]"), before.get(at), after.get(at), found);
        }
        return;
    };
    let position = |names: &[String], name: &String| names.iter().position(|other| other == name);
    for (at, name) in new.iter().enumerate() {
        let was = position(&old, name).and_then(|at| before.get(at));
        compare(format!("{field}[{name}]"), was, after.get(at), found);
    }
    for (at, name) in old.iter().enumerate().filter(|(_, name)| !new.contains(name)) {
        compare(format!("{field}[{name}]"), before.get(at), None, found);
    }
    let common = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|name| those.contains(name)).cloned().collect()
    };
    if common(&old, &new) != common(&new, &old) {
        let order = |names: &[String]| Some(Value::String(names.join(", ")));
        found.push(Difference { field: format!("{field} (order)"), before: order(&old), after: order(&new) });
    }
}

/// Names of the items of a list; `None`: one has no name, or two have the same.
fn names(items: &[Value]) -> Option<Vec<String>> {
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let unique: BTreeSet<&String> = names.iter().collect();
    (unique.len() == names.len()).then_some(names)
}

fn name(item: &Value) -> Option<String> {
    let members = item.as_object()?;
    if let Some(Value::Object(target)) = members.get("targetRef") {
        return Some(reference(target).unwrap_or_else(|| text(target.get("kind"))));
    }
    reference(members)
}

/// Distinguishing part of a reference or a port: `redis-next:6379 version=v2`.
fn reference(members: &Map<String, Value>) -> Option<String> {
    let pairs = |key: &str| {
        let found = members.get(key).and_then(Value::as_object).into_iter().flatten();
        found.map(|(key, value)| format!(" {key}={}", text(Some(value)))).collect::<String>()
    };
    let port = members.get("port").map(|port| text(Some(port)));
    let mut words = match (members.get("name"), port) {
        (Some(name), Some(port)) => format!("{}:{port}", text(Some(name))),
        (Some(name), None) => text(Some(name)),
        (None, Some(port)) => port,
        (None, None) => String::new(),
    };
    if let Some(section) = members.get("sectionName") {
        words.push_str(&format!(":{}", text(Some(section))));
    }
    if members.contains_key("kind") {
        words.push_str(&pairs("tags"));
        words.push_str(&pairs("labels"));
    }
    let words = words.trim();
    (!words.is_empty()).then(|| words.to_owned())
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn below(field: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (field.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (true, false) => format!("[\"{key}\"]"),
        (false, true) => format!("{field}.{key}"),
        (false, false) => format!("{field}[\"{key}\"]"),
    }
}

impl fmt::Display for Difference {
    /// `spec.to[redis].rules[0].default.backendRefs[redis-next].weight: 10 → 50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, before, after } = self;
        let shown = |value: &Value| text(Some(value));
        match (before, after) {
            (Some(before), Some(after)) => write!(f, "{field}: {} → {}", shown(before), shown(after)),
            (None, Some(after)) => write!(f, "{field}: added {}", shown(after)),
            (Some(before), None) => write!(f, "{field}: removed {}", shown(before)),
            (None, None) => write!(f, "{field}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_told_apart_by_what_they_name() {
        let before = json!({"refs": [{"kind": "MeshService", "name": "a", "weight": 9}, {"kind": "MeshService", "name": "b", "weight": 1}]});
        let after = json!({"refs": [{"kind": "MeshService", "name": "c", "weight": 5}, {"kind": "MeshService", "name": "a", "weight": 9}]});
        let said: Vec<String> = differences(&before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("refs[c]: added") && said[1].starts_with("refs[b]: removed"), "{said:?}");
    }

    #[test]
    fn lists_without_names_are_compared_place_by_place() {
        let said = differences(&json!({"l": [1, 2, 3]}), &json!({"l": [1, 5]}));
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["l[1]: 2 → 5", "l[2]: removed 3"]);
    }

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            let keys = prop::sample::select(vec!["name", "kind", "port", "weight"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(keys, inner, 0..3).prop_map(|map| map
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect::<Map<_, _>>()
                    .into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_is_a_difference_exactly_when_trees_are_unequal(a in trees(), b in trees()) {
            prop_assert_eq!(differences(&a, &b).is_empty(), a == b, "{} {}", a, b);
            prop_assert!(differences(&a, &a).is_empty());
        }
    }
}
