//! Check of a rollout that is to be stored: there must be no other one for its destination.

use change::compile::contend;
use change::preview::stored;
use model::policy::Rollout;
use model::{Kind, Profile, ResourceKey, Spec};
use serde_json::Value;

use super::PUT;
use crate::api::refusal::Refusal;
use crate::store::{Put, Selection, Store};

/// Refuses a rollout if there is another one for the same destination of its route. `brought`: resources that are
/// stored with it.
pub(super) async fn check(
    store: &dyn Store,
    brought: &[Put],
    key: &ResourceKey,
    document: &Value,
) -> Result<(), Refusal> {
    let Some(rollout) = read(document) else { return Ok(()) };
    let selection = Selection::of_kind(Kind::MeshTCPRollout).in_mesh(key.mesh_or_empty());
    let there = store.list(&selection).await.map_err(|error| Refusal::of_store(PUT, &error))?;
    let is_kept = |it: &&ResourceKey| !brought.iter().any(|put| put.key == **it);
    let kept = there.items.iter().map(|it| (&it.key, &it.document)).filter(|(it, _)| is_kept(it));
    let brought = brought.iter().map(|put| (&put.key, &put.document));
    let mut others = kept.chain(brought).filter(|(it, _)| *it != key && it.mesh == key.mesh);
    let route = &document["spec"]["targetRef"]["name"];
    // most are for other routes, and need not be parsed
    let contends = |other: &Value| {
        other["spec"]["targetRef"]["name"] == *route
            && read(other).is_some_and(|other| contend(&rollout, &other))
    };
    match others.find(|(_, other)| contends(other)) {
        Some((other, _)) => {
            let reason = format!(
                "{other} is about the same destination of MeshTCPRoute {}: wait until it is over, and delete it",
                rollout.route
            );
            Err(Refusal::field(PUT, "Resource is not valid", "spec.targetRef", reason))
        }
        None => Ok(()),
    }
}

fn read(document: &Value) -> Option<Rollout> {
    match stored(document.clone(), Profile::default()).ok()?.resource.spec() {
        Spec::Rollout(rollout) => Some(Rollout::clone(rollout)),
        _ => None,
    }
}
