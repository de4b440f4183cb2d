//! Confs of routes. A stored resource may have fields of references that the profile would not accept: they are
//! read, and are used where the profile looks at them.

use serde_json::{Value, json};

use crate::draft::fields::Fields;
use crate::kind::Kind;
use crate::policy::{
    Conf, ConnectionMatch, HttpRouteConf, HttpRule, HttpRuleConf, MatchedRule, Matches, PolicyItem,
    TcpRouteConf, TypedConf, Written,
};
use crate::profile::Profile;
use crate::reference::{BackendRef, Labels, RefKind, Tags, TargetRef};

/// Builds the item of a route with this target and this normalised conf; `matches`: those of each rule.
pub(super) fn item(
    kind: Kind,
    target: TargetRef,
    written: Value,
    matches: Vec<Vec<ConnectionMatch>>,
) -> PolicyItem {
    let list = |name: &str| written.get(name).and_then(Value::as_array).into_iter().flatten();
    let rules: Vec<HttpRule> = list("rules").map(rule).collect();
    let backend_refs = rules.iter().map(|rule| rule.said.backend_refs.clone().unwrap_or_default()).collect();
    let conf = match kind {
        Kind::MeshHTTPRoute => {
            let hostnames = list("hostnames").filter_map(Value::as_str).map(str::to_owned).collect();
            Conf::new(TypedConf::HttpRoute(HttpRouteConf { hostnames, rules }), Written::of(written))
        }
        _ => tcp_conf(&target, rules.into_iter().zip(matches).collect(), &written),
    };
    PolicyItem { target, conf, backend_refs }
}

/// Returns the rules of an item, or a route to its own destination if it has none (spec 01 §2.4). As written it is
/// the rule for all connections, and the rules for some as a list, if there are any.
fn tcp_conf(target: &TargetRef, rules: Vec<(HttpRule, Vec<ConnectionMatch>)>, written: &Value) -> Conf {
    match rules.iter().position(|(_, matches)| matches.is_empty()) {
        None if rules.is_empty() => {
            let target = TargetRef { proxy_types: None, ..target.clone() };
            let backend = BackendRef { target, weight: Some(1), port: None };
            let written = json!({ "default": { "backendRefs": [as_written(&backend)] } });
            let said = TcpRouteConf { backend_refs: Some(vec![backend]), ..TcpRouteConf::default() };
            Conf::new(TypedConf::TcpRoute(said), Written::of(written))
        }
        for_all => {
            let at = |rule: usize| written.get("rules").and_then(|rules| rules.get(rule)).cloned();
            let mut said = TcpRouteConf::default();
            let mut tree = for_all.and_then(at).unwrap_or_else(|| json!({}));
            let mut for_some = Vec::new();
            for (rule, (HttpRule { said: HttpRuleConf { backend_refs, .. }, .. }, matches)) in
                rules.into_iter().enumerate()
            {
                if Some(rule) == for_all {
                    (said.backend_refs, said.rule) = (backend_refs, u32::try_from(rule).ok());
                } else if !matches.is_empty() {
                    let backend_refs = backend_refs.unwrap_or_default();
                    said.matched.get_or_insert_default().push(MatchedRule { rule, matches, backend_refs });
                    for_some.push(at(rule).unwrap_or_default());
                }
            }
            if !for_some.is_empty() {
                tree["rules"] = Value::Array(for_some);
            }
            Conf::new(TypedConf::TcpRoute(said), Written::of(tree))
        }
    }
}

/// Writes a backendRef in the words of a document.
fn as_written(backend: &BackendRef) -> Value {
    let BackendRef { target, weight, port: _ } = backend;
    let TargetRef { kind, name, namespace, labels, tags, section_name, proxy_types: _ } = target;
    let mut written = json!({
        "kind": kind.as_str(),
        "name": name,
        "namespace": namespace,
        "sectionName": section_name,
        "labels": labels,
        "tags": Some(tags).filter(|tags| !tags.is_empty()),
        "weight": weight,
    });
    written.as_object_mut().into_iter().for_each(|members| members.retain(|_, member| !member.is_null()));
    written
}

fn rule(written: &Value) -> HttpRule {
    let default = written.get("default").filter(|default| !default.is_null());
    let list = |name: &str| default?.get(name)?.as_array();
    HttpRule {
        matches: Matches::of(written.get("matches")),
        said: HttpRuleConf {
            backend_refs: list("backendRefs").map(|refs| refs.iter().filter_map(backend_ref).collect()),
            filters: list("filters").map(|filters| !filters.is_empty()),
        },
        written: default.cloned().map_or_else(Written::nothing, Written::of),
    }
}

/// Reads a backendRef whose fields have their types.
pub(super) fn backend_ref(value: &Value) -> Option<BackendRef> {
    let text =
        |key: &str| value.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    let pairs = |key: &str| {
        let map = value.get(key)?.as_object()?;
        Some(map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect::<Vec<_>>())
    };
    Some(BackendRef {
        target: TargetRef {
            kind: RefKind::from_text(value.get("kind")?.as_str()?)?,
            name: text("name"),
            namespace: text("namespace"),
            labels: pairs("labels").filter(|pairs| !pairs.is_empty()).map(Labels::from_iter),
            tags: pairs("tags").map(Tags::from_iter).unwrap_or_default(),
            section_name: text("sectionName"),
            proxy_types: None,
        },
        weight: value.get("weight").and_then(Value::as_u64),
        port: value.get("port").and_then(Value::as_u64).and_then(|port| u32::try_from(port).ok()),
    })
}

/// Returns the fields of an item beside `targetRef`, as written, but with the types and the defaults of the schema.
pub(super) fn tidied(item: &mut Fields<'_>, profile: Profile) -> Value {
    let said = ["hostnames", "rules"].into_iter().filter(|name| item.has(name)).collect::<Vec<_>>();
    let members = said.into_iter().map(|name| {
        let mut value = item.json(name);
        tidy_backends(&mut value, profile);
        (name.to_owned(), value)
    });
    Value::Object(members.collect())
}

/// Normalises every backendRef below a value, those of mirrors included.
fn tidy_backends(value: &mut Value, profile: Profile) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| tidy_backends(item, profile)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("backendRefs", Value::Array(backends)) => {
                        backends.iter_mut().for_each(|backend| tidy_backend(backend, profile));
                    }
                    ("backendRef", backend @ Value::Object(_)) => tidy_backend(backend, profile),
                    (_, member) => tidy_backends(member, profile),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Gives the fields of a backendRef the types that readers rely on, and the default weight if the schema has one.
pub(super) fn tidy_backend(backend: &mut Value, profile: Profile) {
    let Value::Object(backend) = backend else { return };
    backend.retain(|_, member| !member.is_null());
    for (name, member) in backend.iter_mut() {
        match (name.as_str(), member) {
            ("tags" | "labels", Value::Object(pairs)) => pairs.values_mut().for_each(number_to_text),
            ("weight" | "port", Value::Number(number)) => whole_number(number),
            ("kind" | "name" | "namespace" | "sectionName", member) => number_to_text(member),
            _ => {}
        }
    }
    if profile.has_schema_defaults() {
        backend.entry("weight").or_insert(1.into());
    }
}

fn number_to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

/// Writes `90.0`, which is a whole number too, as `90`.
fn whole_number(number: &mut serde_json::Number) {
    if let Some(float) = number.as_f64()
        && number.is_f64()
        && let Some(whole) = crate::draft::fields::whole(float)
    {
        *number = whole.into();
    }
}
