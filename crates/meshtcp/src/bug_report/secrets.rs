//! Removal of secrets from resources.

use serde_json::Value;

/// Members whose values are secrets, or may be: content given inline instead of by reference.
const SECRET: [&str; 8] =
    ["inline", "inlineString", "inlineBytes", "password", "token", "credential", "accessKey", "secretKey"];
/// Text in place of a secret.
const BLANK: &str = "(left out)";

/// Returns a tree without its secrets; it still shows that there were some.
pub(super) fn blanked(tree: Value) -> Value {
    match tree {
        Value::Object(members) => {
            let member = |(key, value): (String, Value)| {
                let is_secret =
                    SECRET.iter().any(|secret| key.eq_ignore_ascii_case(secret)) && !value.is_null();
                let value = if is_secret { Value::from(BLANK) } else { blanked(value) };
                (key, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(blanked).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_in_resources_are_left_out() {
        let resource =
            json!({ "spec": { "tls": { "verification": { "clientKey": { "inline": "c2VjcmV0" } } } } });
        let text = blanked(resource).to_string();
        assert!(!text.contains("c2VjcmV0") && text.contains(BLANK), "{text}");
        let named =
            json!({ "clientKey": { "secret": "its-name" }, "items": [{ "password": "x", "port": 1 }] });
        assert_eq!(
            blanked(named),
            json!({ "clientKey": { "secret": "its-name" }, "items": [{ "password": BLANK, "port": 1 }] })
        );
    }
}
