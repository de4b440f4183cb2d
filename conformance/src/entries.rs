//! Check `sort-to-entries`: all `to` items, least important first.

use model::{RefKind, TargetRef};
use serde_json::{Map, Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};
use crate::shape::Shape;

pub(crate) fn answer(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let policies = resources.named(kind, &request.matched_policies());
    let shape = Shape::of(request, &resources, kind);
    let mesh = TargetRef::of_kind(RefKind::Mesh);
    let entries = plan::sorted_items(&policies, request.profile).into_iter().map(|item| {
        json!({
            "policy": shape.origin(&item.origin, true),
            "topLevel": target_ref(item.policy.target.as_ref().unwrap_or(&mesh)),
            "to": { "targetRef": target_ref(item.target), "default": shape.conf(Some(item.conf)) },
        })
    });
    Ok(json!({ "entries": entries.collect::<Vec<_>>() }))
}

fn target_ref(target: &TargetRef) -> Value {
    let TargetRef { kind, name, namespace, labels, tags, section_name, proxy_types } = target;
    let mut fields = Map::from_iter([("kind".to_owned(), json!(kind.as_str()))]);
    for (key, value) in [("name", name), ("namespace", namespace), ("sectionName", section_name)] {
        if let Some(value) = value {
            fields.insert(key.to_owned(), json!(value));
        }
    }
    if let Some(labels) = labels {
        fields.insert("labels".to_owned(), json!(labels));
    }
    if !tags.is_empty() {
        fields.insert("tags".to_owned(), json!(tags));
    }
    if let Some(types) = proxy_types {
        fields.insert("proxyTypes".to_owned(), json!(types));
    }
    Value::Object(fields)
}
