//! Checks `to-rules`, `match-and-build-to-rules`, `build-to-rules`, `build-resource-rules`: what policies say about
//! destinations.

use model::{Kind, Resource};
use plan::{Matched, Shadows};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};
use crate::shape::Shape;

/// The rules of a proxy.
pub(crate) fn of_proxy(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let view = resources.view(request)?;
    let matched = view.match_policies(resources.of_kind(kind), Shadows::LeftOut);
    let rules = resources.snapshot.destinations(view.mesh_name()).merge(kind, &matched);
    let shape = Shape::of(request, &resources, kind);
    Ok(json!({
        "rules": rules.tag.iter().map(|rule| shape.tag_rule(rule)).collect::<Vec<_>>(),
        "resourceRules": rules.resources.values().map(|rule| shape.resource_rule(rule)).collect::<Vec<_>>(),
    }))
}

/// The rules of policies that matched already. Rules by tag are made even where a proxy would not be asked for them.
pub(crate) fn of_policies(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let policies = resources.named(kind, &request.matched_policies());
    let shape = Shape::of(request, &resources, kind);
    let rules = resources.snapshot.destinations(mesh_of(&policies)).tag_rules(kind, &policies)?;
    Ok(json!({
        "rules": rules.iter().map(|rule| shape.tag_rule(rule)).collect::<Vec<_>>(),
        "resourceRules": resource_rules(&resources, kind, policies, &shape),
    }))
}

/// The rules about real destinations of policies that matched already.
pub(crate) fn resources_of_policies(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let policies = resources.named(kind, &request.matched_policies());
    let shape = Shape::of(request, &resources, kind);
    Ok(json!({ "resourceRules": resource_rules(&resources, kind, policies, &shape) }))
}

fn resource_rules(
    resources: &Resources,
    kind: Kind,
    policies: Vec<&Resource>,
    shape: &Shape<'_>,
) -> Vec<Value> {
    let destinations = resources.snapshot.destinations(mesh_of(&policies));
    let rules = destinations.merge(kind, &Matched { policies, ..Matched::default() });
    rules.resources.values().map(|rule| shape.resource_rule(rule)).collect()
}

fn mesh_of<'a>(policies: &[&'a Resource]) -> &'a str {
    policies.first().map(|resource| resource.meta().mesh.as_str()).unwrap_or_default()
}
