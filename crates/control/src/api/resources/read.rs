//! Lists of resources, and single resources.

use axum::http::header;
use model::problems::SHOWN;
use model::{Kind, ResourceId, ResourceKey};
use serde_json::Value;

use crate::api::addressed::{exists, is_addressed, keys_of};
use crate::api::answer::Answer;
use crate::api::collection::{Collection, Insight};
use crate::api::computed::Computed;
use crate::api::document::{self, Format};
use crate::api::filter::Filter;
use crate::api::insight;
use crate::api::operation::Outcome;
use crate::api::page::Page;
use crate::api::refusal::Refusal;
use crate::api::request::ApiRequest;
use crate::store::{Selection, Stored, Unreadable};

const LIST: &str = "Could not retrieve resources";
const ITEM: &str = "Could not retrieve a resource";

pub(super) async fn list(request: ApiRequest) -> Outcome {
    let collection = request.collection()?;
    let page = Page::read(&request.query)?;
    let filter = Filter::read(&request.query, collection == Collection::Kept(Kind::Dataplane))?;
    let store = &request.api().store;
    if let Some(mesh) = request.mesh() {
        exists(store.as_ref(), mesh).await?;
    }
    let items: Vec<Value> = match collection {
        Collection::Kept(kind) => {
            let selection = Selection { kind: Some(kind), mesh: request.mesh().map(str::to_owned) };
            let listing = store.list(&selection).await.map_err(|error| Refusal::of_store(LIST, &error))?;
            let found: Vec<Stored> =
                listing.items.into_iter().filter(|stored| filter.holds(&stored.document)).collect();
            let computed = Computed::now(request.api(), kind);
            let show = |stored: &Stored| document::universal(&computed.fill(stored.clone()));
            let mut answer = page.of(&found, request.place(), show);
            if !listing.unreadable.is_empty() {
                answer["warnings"] = left_out(&listing.unreadable).into();
            }
            return Ok(Answer::json(answer));
        }
        Collection::Computed(computed) => insight::items(&request, computed).await?,
    };
    let found: Vec<Value> = items.into_iter().filter(|item| filter.holds(item)).collect();
    Ok(Answer::json(page.of(&found, request.place(), Value::clone)))
}

/// Describes the stored resources that are missing in a list because they cannot be read.
fn left_out(unreadable: &[Unreadable]) -> Vec<String> {
    let named = unreadable.iter().take(SHOWN);
    let mut words: Vec<String> = named
        .map(|it| format!("{} is stored and stands in no list: it cannot be read: {}", it.place(), it.why))
        .collect();
    if unreadable.len() > SHOWN {
        words.push(format!("and {} more cannot be read", unreadable.len() - SHOWN));
    }
    words
}

pub(super) async fn get(request: ApiRequest) -> Outcome {
    let collection = request.collection()?;
    let format = Format::read(request.asked("format"), request.asked("namespace"))?;
    match collection {
        Collection::Kept(kind) if is_addressed(&request, collection) => {
            let found = request.api().store.get(&keys_of(&request, kind)).await;
            let found = found.map_err(|error| Refusal::of_store(ITEM, &error))?;
            shown(&request, found.ok_or_else(|| Refusal::not_found(ITEM))?, &format)
        }
        Collection::Computed(computed) if is_addressed(&request, collection) => {
            let items = insight::items(&request, computed).await?;
            let found = items.into_iter().find(|item| item["name"] == request.parameter("name"));
            let found = found.ok_or_else(|| Refusal::not_found(ITEM))?;
            Ok(Answer::json(match format {
                Format::Kubernetes { .. } if computed == Insight::Mesh => {
                    document::manifest_of_insight(&found)
                }
                Format::Universal | Format::Kubernetes { .. } => found,
            }))
        }
        Collection::Kept(_) | Collection::Computed(_) => Err(Refusal::no_page()),
    }
}

fn shown(request: &ApiRequest, stored: Stored, format: &Format) -> Outcome {
    let tag = format!("\"{}\"", stored.version);
    let stored = Computed::now(request.api(), stored.key.kind).fill(stored);
    Ok(Answer::json(format.show(&stored)).with_header(header::ETAG, &tag))
}

pub(super) async fn by_kri(request: ApiRequest) -> Outcome {
    let text = request.parameter("kri");
    let invalid = || Refusal::bad(format!("bad request: invalid identifier string: \"{text}\""));
    let wanted = ResourceId::from_kri(text).ok_or_else(invalid)?.with_section("");
    let format = Format::read(request.asked("format"), request.asked("namespace"))?;
    let store = &request.api().store;
    let error = |error| Refusal::of_store(ITEM, &error);
    // resources that were made here are stored under their own names
    let key = ResourceKey::new(wanted.kind, wanted.mesh.as_str(), wanted.name.as_str());
    if let Some(stored) = store.get(&key).await.map_err(error)?
        && document::id(&stored) == wanted
    {
        return shown(&request, stored, &format);
    }
    let mesh = key.mesh.clone();
    let all = store.list(&Selection { kind: Some(wanted.kind), mesh }).await.map_err(error)?;
    let found = all.items.into_iter().find(|stored| document::id(stored) == wanted);
    shown(&request, found.ok_or_else(|| Refusal::not_found(ITEM))?, &format)
}
