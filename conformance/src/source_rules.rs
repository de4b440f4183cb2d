//! Checks `build-from-rules` and `build-inbound-rules`: what policies that matched already say about who connects, and
//! about inbounds.

use model::policy::Conf;
use model::{Kind, Profile, Resource, Spec};
use plan::{Precedence, SourceRule, TagRule};
use serde_json::{Value, json};

use crate::documents::Resources;
use crate::request::{Failure, Request};
use crate::shape::Shape;

/// Rules by the tags of who connects, in the order of the policies.
pub(crate) fn by_tag(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let policies = resources.named(kind, &request.matched_policies());
    let shape = Shape::of(request, &resources, kind);
    let rules = plan::rules_by_source(kind, &policies, request.profile)?;
    let mut listed: Vec<Value> = rules.iter().map(|rule| shape.source_rule(rule)).collect();
    listed.extend(about_everybody(kind, &policies, &shape));
    Ok(json!({ "rules": listed }))
}

/// Policies without a list say one thing about whoever connects.
fn about_everybody(kind: Kind, policies: &[&Resource], shape: &Shape<'_>) -> Option<Value> {
    let said: Vec<(&Resource, &Conf)> =
        policies.iter().filter_map(|policy| Some((*policy, default_of(policy)?))).collect();
    let merged = plan::merge_confs(kind, said.iter().map(|(_, conf)| *conf));
    let origin = |policy: &Resource| json!({ "mesh": policy.meta().mesh.as_str(), "name": policy.meta().name.as_str() });
    let origins: Vec<Value> = said.iter().map(|(policy, _)| origin(policy)).collect();
    merged.first().map(|conf| json!({ "subset": [], "conf": shape.conf(Some(conf)), "origins": origins }))
}

fn default_of(policy: &Resource) -> Option<&Conf> {
    match policy.spec() {
        Spec::Policy(policy) => policy.default.as_deref(),
        _ => None,
    }
}

/// Rules about inbounds, least important first; in 2.10 merged into one.
pub(crate) fn plain(request: &Request) -> Result<Value, Failure> {
    let resources = Resources::of(request)?;
    let kind = request.policy_kind()?;
    let mut policies = resources.named(kind, &request.matched_policies());
    policies.sort_by_cached_key(|resource| match resource.spec() {
        Spec::Policy(policy) => Some(Precedence::of(resource, policy, request.profile)),
        _ => None,
    });
    let shape = Shape::of(request, &resources, kind);
    let rules = plan::plain_rules(&policies);
    if request.profile == Profile::V2_10 {
        let merged = plan::merge_confs(kind, rules.iter().filter_map(|rule| rule.conf.as_ref()));
        let confs: Vec<Value> = merged.iter().map(|conf| shape.conf(Some(conf))).collect();
        let origins: Vec<Value> = rules.iter().map(|rule| shape.origin(&rule.origin, true)).collect();
        let one = (!rules.is_empty()).then(|| json!({ "conf": confs, "origins": origins }));
        return Ok(json!({ "rules": one.into_iter().collect::<Vec<_>>() }));
    }
    let listed = rules.iter().map(|SourceRule { conf, matches, origin }| {
        let mut rule = json!({ "conf": shape.conf(conf.as_ref()), "origins": [shape.origin(origin, true)] });
        if let Some(matches) = matches {
            rule["match"] = json!(matches);
        }
        rule
    });
    Ok(json!({ "rules": listed.collect::<Vec<_>>() }))
}

impl Shape<'_> {
    fn source_rule(&self, rule: &TagRule) -> Value {
        let mut shaped = self.tag_rule(rule);
        shaped.as_object_mut().map(|members| members.shift_remove("backendRefOrigins"));
        shaped
    }
}
