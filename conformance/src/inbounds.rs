//! Checks `from-rules` and `gateway-rules`: what policies say about inbounds and gateway listeners, in the reference's
//! own layout.

use std::collections::BTreeMap;

use model::Profile;
use plan::{InboundKey, PolicyOrigin, PolicyPlace, Shadows, SourceRule, TagRule};
use serde_json::{Map, Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};
use crate::shape::Shape;

/// What is said about the inbounds of a proxy.
pub(crate) fn of_proxy(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let view = resources.view(request)?;
    let matched = view.match_policies(resources.of_kind(kind), Shadows::LeftOut);
    let rules = view.source_rules(kind, &matched)?;
    let shape = Shape::of(request, &resources, kind);
    let mut shaped = Map::new();
    if request.profile != Profile::V3 {
        shaped.insert("Rules".to_owned(), by_inbound(&rules.by_tag, |rules| shape.listed(rules)));
    }
    if request.profile >= Profile::V2_10 {
        shaped.insert("InboundRules".to_owned(), by_inbound(&rules.plain, |rules| shape.plain(rules)));
    }
    Ok(Value::Object(shaped))
}

/// What is said about the listeners of a builtin gateway.
pub(crate) fn of_gateway(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let view = resources.view(request)?;
    let matched = view.match_policies(resources.of_kind(kind), Shadows::LeftOut);
    let from = view.source_rules(kind, &matched)?;
    let shape = Shape::of(request, &resources, kind);

    let destinations = resources.snapshot.destinations(view.mesh_name());
    let mut by_address = Map::new();
    for (inbound, policies) in &matched.inbounds {
        let rules = destinations.tag_rules(kind, policies)?;
        by_address.insert(address(inbound), shape.to_rules(&rules));
    }
    let mut by_hostname = Map::new();
    let rules = destinations.merge(kind, &matched);
    for (listener, rules) in &rules.listeners {
        let key = format!("{}:{}", address(&listener.inbound()), listener.hostname);
        by_hostname.insert(key, shape.to_rules(rules));
    }

    let mut shaped = Map::new();
    shaped.insert("FromRules".to_owned(), by_inbound(&from.by_tag, |rules| shape.listed(rules)));
    shaped.insert(
        "ToRules".to_owned(),
        json!({ "ByListener": by_address, "ByListenerAndHostname": by_hostname }),
    );
    if request.profile >= Profile::V2_10 {
        shaped.insert("InboundRules".to_owned(), by_inbound(&from.plain, |rules| shape.plain(rules)));
    }
    Ok(Value::Object(shaped))
}

fn by_inbound<T>(rules: &BTreeMap<InboundKey, Vec<T>>, shape: impl Fn(&[T]) -> Value) -> Value {
    Value::Object(rules.iter().map(|(inbound, rules)| (address(inbound), shape(rules))).collect())
}

fn address(inbound: &InboundKey) -> String {
    let InboundKey { address, port } = inbound;
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

impl Shape<'_> {
    fn to_rules(&self, rules: &[TagRule]) -> Value {
        if self.profile >= Profile::V2_9 {
            json!({ "ResourceRules": {}, "Rules": self.listed(rules) })
        } else {
            self.listed(rules)
        }
    }

    fn listed(&self, rules: &[TagRule]) -> Value {
        let shaped = rules.iter().map(|TagRule { subset, merged }| {
            let subset = subset.0.iter().map(|t| json!({ "Key": t.key, "Value": t.value, "Not": t.not }));
            let origins = self.origins(merged);
            let mut rule = json!({
                "Subset": subset.collect::<Vec<_>>(),
                "Conf": self.conf(merged.conf()),
                "Origin": origins.iter().map(|origin| self.meta(origin)).collect::<Vec<_>>(),
            });
            match self.profile {
                profile if profile <= Profile::V2_8 => {}
                Profile::V2_9 | Profile::V2_10 => rule["BackendRefOriginIndex"] = json!({}),
                _ => rule["OriginByMatches"] = json!({}),
            }
            rule
        });
        Value::Array(shaped.collect())
    }

    /// In 2.10 the items were merged into one rule; later they are listed.
    fn plain(&self, rules: &[SourceRule]) -> Value {
        let origin =
            |rule: &SourceRule| json!({ "Resource": self.meta(&rule.origin), "RuleIndex": rule.origin.item });
        if self.profile == Profile::V2_10 {
            let merged = plan::merge_confs(self.kind, rules.iter().filter_map(|rule| rule.conf.as_ref()));
            let confs: Vec<Value> = merged.iter().map(|conf| self.conf(Some(conf))).collect();
            let origins: Vec<Value> = rules.iter().map(origin).collect();
            let merged = (!rules.is_empty()).then(|| json!({ "conf": confs, "origin": origins }));
            return Value::Array(merged.into_iter().collect());
        }
        let listed = rules.iter().map(
            |rule| json!({ "conf": self.conf(rule.conf.as_ref()), "match": rule.matches, "origin": origin(rule) }),
        );
        Value::Array(listed.collect())
    }

    /// A policy by its metadata.
    fn meta(&self, origin: &PolicyOrigin) -> Value {
        let PolicyPlace { policy, name, list: _, item: _, source: _ } = &**origin;
        let mut meta = json!({ "type": policy.kind.as_str(), "mesh": policy.mesh, "name": name });
        let labels = self.resources.of_kind(policy.kind).find(|r| r.meta().name == name.as_str());
        if let Some(labels) = labels.map(|resource| &resource.meta().labels).filter(|l| !l.is_empty()) {
            meta["labels"] = json!(labels);
        }
        if self.profile >= Profile::V2_14 {
            meta["kri"] = json!(policy.to_string());
        }
        meta
    }
}
