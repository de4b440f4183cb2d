//! Confs as written.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Merge;

/// Part of a policy as written, for display: confs in the rules API also show fields that do not affect TCP
/// connections. Plans do not depend on it.
///
/// `null` is absent, as everywhere; inside of lists it stays.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Written(Value);

impl Written {
    /// Wraps a tree without its members that are null.
    pub fn of(mut tree: Value) -> Self {
        drop_nulls(&mut tree);
        Self(tree)
    }

    /// An object without fields.
    pub fn nothing() -> Self {
        Self(Value::Object(Map::new()))
    }

    /// Part as JSON.
    pub fn as_json(&self) -> &Value {
        &self.0
    }
}

/// JSON Merge Patch (RFC 7396).
impl Merge for Written {
    fn merge(&mut self, Self(over): &Self) {
        apply(&mut self.0, over);
    }
}

fn drop_nulls(tree: &mut Value) {
    if let Value::Object(members) = tree {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(drop_nulls);
    }
}

fn apply(base: &mut Value, patch: &Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                match base.get_mut(key) {
                    Some(below) => apply(below, value),
                    None => drop(base.insert(key.clone(), value.clone())),
                }
            }
        }
        (base, patch) => base.clone_from(patch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Examples of RFC 7396, appendix A, that remove nothing.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (base, patch, merged) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut result = Written::of(base);
            result.merge(&Written::of(patch));
            assert_eq!(result.0, merged);
        }
    }

    #[test]
    fn what_is_null_is_absent() {
        assert_eq!(
            Written::of(json!({"a": null, "b": {"c": null}, "d": [null]})).0,
            json!({"b": {}, "d": [null]})
        );
    }
}
