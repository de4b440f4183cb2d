//! Merging of MeshHTTPRoute: rules with the same matches become one, and hostnames stay apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::policy::{Conf, HttpRouteConf, HttpRule, Matches, Merge, PolicyConf};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Merges confs, least important first, into one conf per hostname (or one without hostnames).
///
/// The rules of a more important conf come first. Rules of several confs with the same matches become one, and the
/// fields of the more important one override those of the others.
pub(crate) fn merge<'a>(confs: impl Iterator<Item = &'a Conf>) -> Vec<Conf> {
    let mut merged: Vec<(Option<&str>, Vec<&HttpRouteConf>)> = Vec::new();
    for conf in confs.filter_map(HttpRouteConf::of) {
        for hostname in hostnames(conf) {
            match merged.iter_mut().find(|(known, _)| *known == hostname) {
                Some((_, confs)) => confs.push(conf),
                None => merged.push((hostname, vec![conf])),
            }
        }
    }
    merged.into_iter().map(|(hostname, confs)| Conf::from(conf_for(hostname, &confs))).collect()
}

/// Returns the hostnames of a conf; a conf without hostnames is about every host.
fn hostnames(conf: &HttpRouteConf) -> Vec<Option<&str>> {
    match conf.hostnames.as_slice() {
        [] => vec![None],
        hostnames => hostnames.iter().map(|hostname| Some(hostname.as_str())).collect(),
    }
}

fn conf_for(hostname: Option<&str>, confs: &[&HttpRouteConf]) -> HttpRouteConf {
    let mut rules: Vec<HttpRule> = Vec::new();
    for rule in confs.iter().rev().flat_map(|conf| &conf.rules) {
        match rules.iter_mut().find(|known| known.matches.is_same(&rule.matches)) {
            Some(known) => {
                let more_important = std::mem::replace(known, rule.clone());
                known.merge(&more_important);
            }
            None => rules.push(rule.clone()),
        }
    }
    HttpRouteConf { hostnames: hostname.map(str::to_owned).into_iter().collect(), rules }
}

/// Returns the hash by which the reference names the matches of a rule: SHA-256 of their JSON with fields in a
/// fixed order.
pub(crate) fn matches_hash(matches: &Matches) -> String {
    let text = match matches.written() {
        Some(list) => {
            let list: Vec<String> = list.iter().map(|one| canonical(one.as_json(), &MATCH)).collect();
            format!("[{}]", list.join(","))
        }
        None => "null".to_owned(),
    };
    STANDARD.encode(Sha256::digest(escape(&text)))
}

/// Fields of an object, in the order in which they are hashed, and their own shapes.
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

/// Escapes the characters that the reference writes as escapes inside text, the only place in JSON where they can
/// occur.
fn escape(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::draft::{Document, parse_unchecked};
    use model::{Profile, Resource, Spec};
    use serde_json::json;

    fn route(rules: &Value) -> Resource {
        let spec = json!({ "to": [{ "targetRef": { "kind": "MeshService", "name": "a" }, "rules": rules }] });
        let document = json!({ "type": "MeshHTTPRoute", "name": "it", "spec": spec });
        parse_unchecked(&Document::from_value("", document), Profile::V2_14).resource.unwrap()
    }

    fn conf(route: &Resource) -> &Conf {
        let Spec::Policy(policy) = route.spec() else { panic!("{route:?}") };
        &policy.to[0].conf
    }

    #[test]
    fn a_hash_does_not_depend_on_the_order_of_fields() {
        for path in [
            json!({"type": "PathPrefix", "value": "/all-to-v1"}),
            json!({"value": "/all-to-v1", "type": "PathPrefix"}),
        ] {
            let route = route(&json!([{ "matches": [{ "path": path }] }]));
            let rule = &HttpRouteConf::of(conf(&route)).unwrap().rules[0];
            assert_eq!(matches_hash(&rule.matches), "INA9CySpV6H/9i+YojV8runPQRKlTJorpk2wpmoIjeE=");
        }
    }

    #[test]
    fn the_more_important_rule_comes_first_and_wins() {
        let rule = |path: &str, weight: u32| json!({"matches": [path], "default": {"weight": weight}});
        let (low, high) =
            (route(&json!([rule("/a", 1), rule("/b", 1)])), route(&json!([rule("/c", 2), rule("/a", 2)])));
        let merged = merge([&low, &high].into_iter().map(conf));
        let wanted = json!([{ "rules": [rule("/c", 2), rule("/a", 2), rule("/b", 1)] }]);
        assert_eq!(serde_json::to_value(merged).unwrap(), wanted);
    }
}
