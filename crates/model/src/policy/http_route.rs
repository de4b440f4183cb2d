//! MeshHTTPRoute: rules about requests; only one that catches every request affects connections (spec 01 §9).

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::merge::said;
use super::{Merge, Written};
use crate::reference::BackendRef;

/// Conf of a MeshHTTPRoute about a destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRouteConf {
    /// Hosts of the requests that it is for; empty: all.
    pub hostnames: Vec<String>,
    /// Rules, in the order of the policy.
    pub rules: Vec<HttpRule>,
}

/// Rule about some requests.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRule {
    /// Requests that it is for.
    pub matches: Matches,
    /// Part of the rule that affects connections.
    pub said: HttpRuleConf,
    /// Rule as written.
    pub written: Written,
}

said! {
    /// Part of a rule about requests that affects connections.
    HttpRuleConf {
        /// Backends of the requests, in the order of the policy; absent: the dialled destination.
        backend_refs: Vec<BackendRef>,
        /// `true`: the rule has filters.
        filters: bool,
    }
}

/// Matches of requests, as written; absent is not the same as empty, since the rule is named by their hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Matches(Option<Vec<Written>>);

/// Merges the rule of a more important policy about the same requests into this one.
impl Merge for HttpRule {
    fn merge(&mut self, Self { matches: _, said, written }: &Self) {
        self.said.merge(said);
        self.written.merge(written);
    }
}

impl HttpRouteConf {
    /// Returns the conf, in the words of a document.
    pub(super) fn written(&self) -> Written {
        let rule = |HttpRule { matches, said: _, written }: &HttpRule| json!({ "matches": matches, "default": written });
        let rules: Vec<Value> = self.rules.iter().map(rule).collect();
        Written::of(match self.hostnames.is_empty() {
            true => json!({ "rules": rules }),
            false => json!({ "hostnames": self.hostnames, "rules": rules }),
        })
    }
}

impl Matches {
    /// Wraps the matches as written; `None`: there are none.
    pub(crate) fn of(written: Option<&Value>) -> Self {
        let list = written.and_then(Value::as_array);
        Self(list.map(|list| list.iter().cloned().map(Written::of).collect()))
    }

    /// Matches as written; `None`: there are none.
    pub fn written(&self) -> Option<&[Written]> {
        self.0.as_deref()
    }

    /// Returns `true` if both match the same requests.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.as_deref().unwrap_or_default() == other.0.as_deref().unwrap_or_default()
    }

    /// Returns `true` if some match is the path prefix `/` and nothing else, or there are no matches.
    pub fn catch_everything(&self) -> bool {
        let matches = self.0.as_deref().unwrap_or_default();
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
            || matches.iter().map(Written::as_json).any(|one| {
                let more = ["method", "queryParams", "headers"].into_iter().any(|key| says(one, key));
                !more && one.get("path").is_none_or(is_root)
            })
    }
}

impl Serialize for Matches {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_deref().unwrap_or_default().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_for_every_request_are_about_connections() {
        let catches = |matches: Value| Matches::of(Some(&matches)).catch_everything();
        assert!(Matches::of(None).catch_everything() && catches(json!([])));
        assert!(catches(json!([{ "path": { "type": "PathPrefix", "value": "/" } }])));
        assert!(!catches(json!([{ "path": { "type": "Exact", "value": "/" } }])));
        assert!(!catches(json!([{ "path": { "type": "PathPrefix", "value": "/v1" } }])));
        assert!(!catches(json!([{ "method": "GET" }])));
    }
}
