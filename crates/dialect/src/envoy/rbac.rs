//! Permissions to connect, as the network filter that decides at the first byte of a client (spec 07 §11).

use model::policy::{PeerMatch, PermissionAction, SpiffeIdMatch};
use plan::{NameCondition, NameRule, PeerList, Permissions};
use serde_json::{Map, Value, json};

use super::words::{extension, object, sanitised};

/// Returns the filter in front of all others of a chain that terminates mesh TLS; `listener` names its statistics.
pub fn filter(permissions: &Permissions, listener: &str) -> Value {
    let mut config = object(json!({ "statPrefix": format!("{}.", sanitised(listener)) }));
    match permissions {
        Permissions::ByName { called, rules } => {
            let of = |action| rules.iter().filter(move |rule| rule.action == action).map(principal);
            let shadowed: Vec<Value> = of(PermissionAction::AllowWithShadowDeny).collect();
            let allowed: Vec<Value> = of(PermissionAction::Allow).chain(shadowed.iter().cloned()).collect();
            config.insert("rules".into(), policies(called, allowed, None));
            if !shadowed.is_empty() {
                config.insert("shadowRules".into(), policies(called, shadowed, Some("DENY")));
            }
        }
        Permissions::ByIdentity { lists, shadow } => {
            config.insert("matcher".into(), matcher(lists, |list| list.allows));
            if !shadow.is_empty() {
                config.insert("shadowMatcher".into(), matcher(shadow, |_| false));
            }
        }
    }
    extension("envoy.filters.network.rbac", "extensions.filters.network.rbac.v3.RBAC", config)
}

/// Builds rules by principals; without any they deny everybody.
fn policies(called: &str, principals: Vec<Value>, action: Option<&str>) -> Value {
    let mut rules = Map::new();
    if let Some(action) = action {
        rules.insert("action".into(), action.into());
    }
    if !principals.is_empty() {
        let policy = json!({ "permissions": [{ "any": true }], "principals": principals });
        rules.insert("policies".into(), Value::Object(Map::from_iter([(called.to_owned(), policy)])));
    }
    rules.into()
}

fn principal(NameRule { conditions, action: _, origin: _ }: &NameRule) -> Value {
    let id = |NameCondition { uri, not }: &NameCondition| {
        let id = json!({ "authenticated": { "principalName": { "exact": uri } } });
        if *not { json!({ "notId": id }) } else { id }
    };
    let mut ids: Vec<Value> = conditions.iter().map(id).collect();
    match ids.len() {
        0 => json!({ "any": true }),
        1 => ids.remove(0),
        _ => json!({ "andIds": { "ids": ids } }),
    }
}

/// Builds lists that are evaluated in turn; a client that fits none is denied. Envoy refuses an empty list of
/// matchers.
fn matcher(lists: &[PeerList], allows: impl Fn(&PeerList) -> bool) -> Value {
    let matcher = |list: &PeerList| {
        let PeerList { peers, allows: _, origin } = list;
        let on_match = action(&origin.policy.to_string(), allows(list));
        json!({ "predicate": any_of("orMatcher", peers.iter().map(peer).collect()), "onMatch": on_match })
    };
    let matchers: Vec<Value> = lists.iter().map(matcher).collect();
    let mut tree = json!({ "onNoMatch": action("default", false) });
    if !matchers.is_empty() {
        tree["matcherList"] = json!({ "matchers": matchers });
    }
    tree
}

fn action(name: &str, allows: bool) -> Value {
    let mut config = object(json!({ "name": name }));
    if !allows {
        config.insert("action".into(), "DENY".into());
    }
    json!({ "action": extension("envoy.filters.rbac.action", "config.rbac.v3.Action", config) })
}

/// Combines several predicates in a matcher; a single one is returned as it is, since Envoy refuses a matcher of
/// one.
fn any_of(of: &str, mut predicates: Vec<Value>) -> Value {
    match predicates.len() {
        1 => predicates.remove(0),
        _ => json!({ of: { "predicate": predicates } }),
    }
}

fn peer(PeerMatch { spiffe_id, server_name }: &PeerMatch) -> Value {
    let id = spiffe_id.as_ref().map(|id| {
        let value = match id {
            SpiffeIdMatch::Exact(id) => json!({ "exact": id }),
            SpiffeIdMatch::Prefix(id) => json!({ "prefix": id }),
        };
        compared("uri_san", "ssl.v3.UriSanInput", value)
    });
    let name = server_name
        .as_ref()
        .map(|name| compared("server_name", "network.v3.ServerNameInput", json!({ "exact": name })));
    any_of("andMatcher", id.into_iter().chain(name).collect())
}

fn compared(input: &str, message: &str, value: Value) -> Value {
    let input = extension(
        &format!("envoy.matching.inputs.{input}"),
        &format!("extensions.matching.common_inputs.{message}"),
        Map::new(),
    );
    json!({ "singlePredicate": { "input": input, "valueMatch": value } })
}
