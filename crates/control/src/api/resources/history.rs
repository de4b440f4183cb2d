//! History of changes over the API: author and time.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::addressed::{is_addressed, keys_of};
use crate::api::answer::Answer;
use crate::api::collection::Collection;
use crate::api::operation::Outcome;
use crate::api::refusal::Refusal;
use crate::api::request::ApiRequest;
use crate::store::{Effect, HistoryEntry, PutResult, ResultingState, Revision};
use model::ResourceKey;

const TITLE: &str = "Could not show what a resource was";

/// Records what was written on behalf of the caller. A change stays accepted if its history cannot be kept.
pub(super) async fn remember(request: &ApiRequest, written: &[PutResult]) {
    let changed = written.iter().filter(|it| it.effect != Effect::Unchanged);
    let past = changed.map(|PutResult { stored, effect: _ }| {
        HistoryEntry::of(&stored.key, stored.version, request.caller.to_string(), Some(&stored.document))
    });
    keep(request, past.collect()).await;
}

/// Records that the caller removed a resource.
pub(super) async fn remember_gone(request: &ApiRequest, key: &ResourceKey, revision: Revision) {
    keep(request, vec![HistoryEntry::of(key, revision, request.caller.to_string(), None)]).await;
}

async fn keep(request: &ApiRequest, past: Vec<HistoryEntry>) {
    if past.is_empty() {
        return;
    }
    if let Err(error) = request.api().store.remember(past).await {
        tracing::warn!(%error, "it is not kept who made a change");
    }
}

/// Answers with the history of one resource, the newest change first.
pub(super) async fn of_one(request: ApiRequest) -> Outcome {
    let collection = request.collection()?;
    let Collection::Kept(kind) = collection else { return Err(Refusal::no_page()) };
    if !is_addressed(&request, collection) {
        return Err(Refusal::no_page());
    }
    let key = keys_of(&request, kind);
    let past = request.api().store.past(&key).await.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let items: Vec<Dated> = past.into_iter().map(Dated::of).collect();
    Ok(Answer::json(json!(History { total: items.len(), items })))
}

/// Changes of a resource that are kept, the newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct History {
    total: usize,
    items: Vec<Dated>,
}

/// Change of a resource.
#[derive(Serialize, JsonSchema)]
struct Dated {
    revision: Revision,
    at: Timestamp,
    /// Author as the API knows them: `name/group,group`.
    by: String,
    /// `put` or `deleted`.
    what: &'static str,
    /// Resource after the change; `null`: it was deleted, or is a secret.
    document: Value,
}

impl Dated {
    fn of(HistoryEntry { key: _, revision, at, by, became }: HistoryEntry) -> Self {
        let (what, document) = match became {
            ResultingState::Said(document) => ("put", document),
            ResultingState::Secret => ("put", Value::Null),
            ResultingState::Deleted => ("deleted", Value::Null),
        };
        Self { revision, at, by, what, document }
    }
}
