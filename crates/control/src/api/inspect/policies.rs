//! Effective policies of a proxy, one of its inbounds or one of its outbounds.

use model::policy::Conf;
use model::{Kind, ResourceId, Spec};
use plan::{Shadows, View, merge_confs};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::attachments::{self, Attachment, MeshIndex};
use super::super::operation::Outcome;
use super::super::refusal::Refusal;
use super::super::request::ApiRequest;
use super::layout::section;
use super::{TITLE, compiled, origins};
use crate::store::Selection;

fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.is_policy())
}

/// Returns the policies for the proxy itself: their `spec.default`, merged.
pub(super) fn of_proxy(view: &View<'_>) -> Value {
    let policies = kinds().filter_map(|kind| {
        let matched = view.match_policies(view.of_kind(kind).iter().map(AsRef::as_ref), Shadows::LeftOut);
        let said: Vec<(&Conf, ResourceId)> = matched
            .policies
            .iter()
            .filter_map(|resource| match resource.spec() {
                Spec::Policy(policy) => policy.default.as_deref().map(|conf| (conf, resource.id())),
                _ => None,
            })
            .collect();
        let conf = merge_confs(kind, said.iter().map(|(conf, _)| *conf)).into_iter().next()?;
        let from: Vec<Value> = said.iter().map(|(_, id)| json!({ "kri": id.to_string() })).collect();
        Some(json!({ "kind": kind.as_str(), "conf": conf, "origins": from }))
    });
    json!({ "policies": policies.collect::<Vec<_>>() })
}

/// Returns the policies other than routes for a destination.
pub(super) fn of_outbound(view: &View<'_>, id: &ResourceId) -> Value {
    let routes = [Kind::MeshTCPRoute, Kind::MeshHTTPRoute];
    let policies = kinds().filter(|kind| !routes.contains(kind)).filter_map(|kind| {
        let rules = view.rules(kind);
        let merged = rules.for_resource(id)?;
        Some(json!({ "kind": kind.as_str(), "conf": merged.conf(), "origins": origins(&merged.origins) }))
    });
    json!({ "policies": policies.collect::<Vec<_>>() })
}

/// Returns the policies for an inbound, whatever the source of a connection.
pub(super) fn of_inbound(view: &View<'_>, id: &ResourceId) -> Result<Value, Refusal> {
    let named =
        |it: &&model::topology::Inbound| section(it) == id.section || it.port.to_string() == id.section;
    let inbound = view.dataplane().inbound.iter().find(named).ok_or_else(|| Refusal::not_found(TITLE))?;
    let port = inbound.port;
    let mut policies = Vec::new();
    for kind in kinds() {
        let matched = view.match_policies(view.of_kind(kind).iter().map(AsRef::as_ref), Shadows::LeftOut);
        // as in planning, what tags cannot express is in no rule
        let Ok(rules) = view.source_rules(kind, &matched) else { continue };
        let said: Vec<_> =
            rules.plain.into_iter().filter(|(at, _)| at.port == port).flat_map(|(_, rules)| rules).collect();
        if said.is_empty() {
            continue;
        }
        let from: Vec<_> = said.iter().map(|rule| rule.origin.clone()).collect();
        let confs: Vec<Value> =
            said.iter().map(|rule| json!({ "conf": rule.conf, "matches": rule.matches })).collect();
        policies.push(json!({ "kind": kind.as_str(), "rules": confs, "origins": origins(&from) }));
    }
    Ok(json!({ "policies": policies }))
}

/// Answers in the shape of older clients: part by part.
pub(super) async fn older(request: ApiRequest) -> Outcome {
    let (compiled, proxy) = compiled(&request).await?;
    let selection = Selection::default().in_mesh(request.parameter("mesh"));
    let listing = request.api().store.list(&selection).await;
    let listing = listing.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let work = move || {
        let view = proxy.as_dataplane().and_then(|key| compiled.snapshot.seen_by(key));
        let view = view.ok_or_else(|| Refusal::not_found(TITLE))?;
        let items: Vec<Value> =
            attachments::of(&view, &MeshIndex::of(&listing.items)).iter().map(Attachment::shown).collect();
        let kind = match view.dataplane().builtin_gateway() {
            Some(_) => "MeshGatewayDataplane",
            None => "SidecarDataplane",
        };
        Ok(Answer::json(json!({ "kind": kind, "total": items.len(), "items": items })))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::leaving()))
}
