//! Merged rules of a proxy, by kind of policy.

use std::sync::Arc;

use model::policy::Conf;
use model::{Kind, Resource, ResourceId, Spec};
use plan::{PolicyOrigin, Shadows, View, merge_confs};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::document;
use super::super::operation::Outcome;
use super::super::refusal::Refusal;
use super::super::request::ApiRequest;
use super::TITLE;

/// Renders the rules of the kinds that have any.
pub(super) fn shown(view: &View<'_>) -> Value {
    let meta = view.resource().meta();
    let resource =
        document::meta(Kind::Dataplane, meta.mesh.as_str(), meta.name.as_str(), &json!(meta.labels));
    json!({ "resource": resource, "httpMatches": [], "rules": of_kinds(view) })
}

/// Renders the same rules as a list.
pub(super) fn listed(view: &View<'_>) -> Value {
    let items = of_kinds(view);
    json!({ "total": items.len(), "items": items })
}

fn of_kinds(view: &View<'_>) -> Vec<Value> {
    Kind::ALL.iter().copied().filter(|kind| kind.is_policy()).filter_map(|kind| of_kind(view, kind)).collect()
}

fn of_kind(view: &View<'_>, kind: Kind) -> Option<Value> {
    let rules = view.rules(kind);
    let matched = view.match_policies(view.of_kind(kind).iter().map(AsRef::as_ref), Shadows::LeftOut);
    let mut warnings = rules.warnings.clone();
    let sources = view.source_rules(kind, &matched).unwrap_or_else(|why| {
        warnings.push(format!("couldn't create From rules: {why}"));
        plan::SourceRules::default()
    });
    let to: Vec<Value> = rules
        .tag
        .iter()
        .map(|rule| {
            let matchers =
                rule.subset.0.iter().map(|it| json!({ "key": it.key, "value": it.value, "not": it.not }));
            json!({
                "matchers": matchers.collect::<Vec<_>>(),
                "conf": rule.merged.conf(),
                "origin": rule.merged.origins.iter().map(|it| meta(view, it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let to_resources: Vec<Value> = rules
        .resources
        .values()
        .map(|rule| {
            json!({
                "resourceMeta": meta_of(view, &rule.id),
                "resourceSectionName": rule.id.section,
                "conf": rule.merged.confs,
                "origin": rule.merged.origins.iter().map(|it| with_index(view, it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let from: Vec<Value> = sources
        .by_tag
        .iter()
        .filter(|(_, rules)| !rules.is_empty())
        .map(|(inbound, rules)| {
            let rules = rules.iter().map(|rule| {
                let matchers = rule.subset.0.iter().map(|it| json!({ "key": it.key, "value": it.value, "not": it.not }));
                json!({
                    "matchers": matchers.collect::<Vec<_>>(),
                    "conf": rule.merged.conf(),
                    "origin": rule.merged.origins.iter().map(|it| meta(view, it)).collect::<Vec<_>>(),
                })
            });
            json!({ "inbound": { "port": inbound.port, "tags": tags(view, inbound.port) }, "rules": rules.collect::<Vec<_>>() })
        })
        .collect();
    let inbound: Vec<Value> = sources
        .plain
        .iter()
        .filter(|(_, rules)| !rules.is_empty())
        .map(|(inbound, rules)| {
            let rules = rules.iter().map(|rule| json!({ "conf": [rule.conf], "origin": [with_index(view, &rule.origin)] }));
            json!({ "inbound": { "port": inbound.port, "tags": tags(view, inbound.port) }, "rules": rules.collect::<Vec<_>>() })
        })
        .collect();
    let proxy = of_proxy(view, kind, &matched.policies);
    let says_nothing =
        proxy.is_none() && to.is_empty() && to_resources.is_empty() && from.is_empty() && inbound.is_empty();
    (!says_nothing || !warnings.is_empty()).then(|| {
        let mut shown = json!({
            "type": kind.as_str(),
            "warnings": warnings,
            "toRules": to,
            "toResourceRules": to_resources,
            "fromRules": from,
            "inboundRules": inbound,
        });
        if let Some(rule) = proxy {
            shown["proxyRule"] = rule;
        }
        shown
    })
}

/// Returns the merged configuration of a kind for the proxy itself; `None`: there is none.
fn of_proxy(view: &View<'_>, kind: Kind, matched: &[&Resource]) -> Option<Value> {
    let said = matched.iter().filter_map(|resource| match resource.spec() {
        Spec::Policy(policy) => policy.default.as_deref().map(|conf| (conf, *resource)),
        _ => None,
    });
    let (confs, from): (Vec<&Conf>, Vec<&Resource>) = said.unzip();
    let conf = merge_confs(kind, confs.into_iter()).into_iter().next()?;
    let origin: Vec<Value> = from.iter().map(|resource| meta_of(view, &resource.id())).collect();
    Some(json!({ "conf": conf, "origin": origin }))
}

fn tags(view: &View<'_>, port: u16) -> Value {
    let found = view.dataplane().inbound.iter().find(|inbound| inbound.port == port);
    found.map_or_else(|| json!({}), |inbound| json!(inbound.tags))
}

fn meta(view: &View<'_>, origin: &PolicyOrigin) -> Value {
    let labels = view.by_id(&origin.policy).map(|found| json!(found.meta().labels)).unwrap_or_default();
    document::meta(origin.policy.kind, &origin.policy.mesh, &origin.name, &labels)
}

fn with_index(view: &View<'_>, origin: &PolicyOrigin) -> Value {
    json!({ "resourceMeta": meta(view, origin), "ruleIndex": origin.item.unwrap_or_default() })
}

fn meta_of(view: &View<'_>, id: &ResourceId) -> Value {
    let found = view.by_id(id);
    let labels = found.map(|found| json!(found.meta().labels)).unwrap_or_default();
    let name = found.map_or(id.name.as_str(), |found| found.meta().name.as_str());
    document::meta(id.kind, &id.mesh, name, &labels)
}

/// Answers with the rules of the proxies that serve a MeshGateway: those of the first by name, since all have the same.
pub(super) async fn of_gateway(request: ApiRequest) -> Outcome {
    let compiled = Arc::clone(&request.api().plane.standing().compiled);
    let work = move || {
        let (mesh, name) = (request.parameter("mesh"), request.parameter("name"));
        let snapshot = &compiled.snapshot;
        let gateway =
            snapshot.named(Kind::MeshGateway, mesh, name).ok_or_else(|| Refusal::not_found(TITLE))?;
        let resource = document::meta(Kind::MeshGateway, mesh, name, &json!(gateway.meta().labels));
        let serving = compiled
            .proxies
            .keys()
            .filter_map(|it| it.as_dataplane())
            .filter(|key| key.mesh == *mesh)
            .find_map(|key| {
                let view = snapshot.seen_by(key)?;
                (view.gateway()?.0.meta().name == *name).then(|| of_kinds(&view))
            });
        let rules = serving.unwrap_or_default();
        Ok(Answer::json(json!({ "resource": resource, "httpMatches": [], "rules": rules })))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}
