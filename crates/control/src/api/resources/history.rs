//! History of changes over the API: author and time.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::addressed::{is_addressed, keys_of};
use crate::api::answer::Answer;
use crate::api::ask::Ask;
use crate::api::collection::Collection;
use crate::api::operation::Outcome;
use crate::api::refusal::Refusal;
use crate::store::{Became, Effect, Past, Revision, Written};
use model::ResourceKey;

const TITLE: &str = "Could not show what a resource was";

/// Records what was written on behalf of the caller. A change stays accepted if its history cannot be kept.
pub(super) async fn remember(ask: &Ask, written: &[Written]) {
    let changed = written.iter().filter(|it| it.effect != Effect::Unchanged);
    let past = changed.map(|Written { stored, effect: _ }| {
        Past::of(&stored.key, stored.version, ask.caller.to_string(), Some(&stored.document))
    });
    keep(ask, past.collect()).await;
}

/// Records that the caller removed a resource.
pub(super) async fn remember_gone(ask: &Ask, key: &ResourceKey, revision: Revision) {
    keep(ask, vec![Past::of(key, revision, ask.caller.to_string(), None)]).await;
}

async fn keep(ask: &Ask, past: Vec<Past>) {
    if past.is_empty() {
        return;
    }
    if let Err(error) = ask.desk().store.remember(past).await {
        tracing::warn!(%error, "it is not kept who made a change");
    }
}

/// Answers with the history of one resource, the newest change first.
pub(super) async fn of_one(ask: Ask) -> Outcome {
    let collection = ask.collection()?;
    let Collection::Kept(kind) = collection else { return Err(Refusal::no_page()) };
    if !is_addressed(&ask, collection) {
        return Err(Refusal::no_page());
    }
    let key = keys_of(&ask, kind);
    let past = ask.desk().store.past(&key).await.map_err(|error| Refusal::of_store(TITLE, &error))?;
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
    fn of(Past { key: _, revision, at, by, became }: Past) -> Self {
        let (what, document) = match became {
            Became::Said(document) => ("put", document),
            Became::Secret => ("put", Value::Null),
            Became::Deleted => ("deleted", Value::Null),
        };
        Self { revision, at, by, what, document }
    }
}
