//! What a MeshHTTPRoute says that TCP can say too: one rule that catches every request (spec 01 §9).

use model::BackendRef;
use model::policy::backend_refs;
use serde_json::Value;

use crate::plan::PolicyOrigin;
use crate::rules::{Merged, Rules};

/// What the HTTP routes of a destination say about whole connections.
pub(super) enum WholeConnections {
    /// They go to these backends; without any, to what was dialled.
    To(Vec<BackendRef>, PolicyOrigin),
    /// It depends on the request, which TCP does not see.
    DependOnRequests(String),
}

/// Reads merged HTTP routes as a decision about connections.
pub(super) fn whole_connections(rules: &Rules, merged: &Merged) -> WholeConnections {
    let by_request = |why: &str| WholeConnections::DependOnRequests(why.to_owned());
    let [conf] = merged.confs.as_slice() else { return by_request("it has rules for several host names") };
    if conf.get("hostnames").and_then(Value::as_array).is_some_and(|names| !names.is_empty()) {
        return by_request("it has rules for a host name only");
    }
    let list = conf.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [rule] = list else { return by_request("it has not exactly one rule") };
    if !catches_everything(rule) {
        return by_request("its rule matches some requests only");
    }
    if rule.pointer("/default/filters").and_then(Value::as_array).is_some_and(|filters| !filters.is_empty()) {
        return by_request("its rule has filters");
    }
    let hash = merged.backend_ref_origins.keys().next().map(String::as_str).unwrap_or_default();
    match rules.backend_ref_origin(merged, hash).or(merged.last_origin()) {
        Some(origin) => WholeConnections::To(backend_refs(rule), origin.clone()),
        None => by_request("nobody knows which policy says it"),
    }
}

/// Whether some match of a rule is the path prefix `/` and nothing else, or there is no match.
fn catches_everything(rule: &Value) -> bool {
    let matches = rule.get("matches").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let says = |one: &Value, key: &str| match one.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    let is_root = |path: &Value| {
        let text = |key: &str| path.get(key).and_then(Value::as_str);
        text("type").is_none_or(|sort| sort == "PathPrefix") && text("value") == Some("/")
    };
    matches.is_empty()
        || matches.iter().any(|one| {
            let more = ["method", "queryParams", "headers"].into_iter().any(|key| says(one, key));
            !more && one.get("path").is_none_or(is_root)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_rules_for_every_request_are_about_connections() {
        let rule = |matches: Value| json!({ "matches": matches, "default": {} });
        assert!(catches_everything(&rule(json!([]))));
        assert!(catches_everything(&rule(json!([{ "path": { "type": "PathPrefix", "value": "/" } }]))));
        assert!(!catches_everything(&rule(json!([{ "path": { "type": "Exact", "value": "/" } }]))));
        assert!(!catches_everything(&rule(json!([{ "path": { "type": "PathPrefix", "value": "/v1" } }]))));
        assert!(!catches_everything(&rule(json!([{ "method": "GET" }]))));
    }
}
