//! Who changed a resource over the API when, and how.

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

/// Keeps what was written on behalf of the caller. What was accepted is so, whether or not it can be kept who did it.
pub(super) async fn remember(ask: &Ask, written: &[Written]) {
    let changed = written.iter().filter(|it| it.effect != Effect::Unchanged);
    let past = changed.map(|Written { stored, effect: _ }| {
        Past::of(&stored.key, stored.version, ask.caller.to_string(), Some(&stored.document))
    });
    keep(ask, past.collect()).await;
}

/// Keeps that the caller removed a resource.
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

/// What is kept of one, the newest first.
pub(super) async fn of_one(ask: Ask) -> Outcome {
    let collection = ask.collection()?;
    let Collection::Kept(kind) = collection else { return Err(Refusal::no_page()) };
    if !is_addressed(&ask, collection) {
        return Err(Refusal::no_page());
    }
    let key = keys_of(&ask, kind);
    let past = ask.desk().store.past(&key).await.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let items: Vec<Value> = past.into_iter().map(shown).collect();
    Ok(Answer::json(json!({ "total": items.len(), "items": items })))
}

fn shown(Past { key: _, revision, at, by, became }: Past) -> Value {
    let (what, document) = match became {
        Became::Said(document) => ("put", document),
        Became::Secret => ("put", Value::Null),
        Became::Deleted => ("deleted", Value::Null),
    };
    json!({ "revision": revision, "at": at, "by": by, "what": what, "document": document })
}
