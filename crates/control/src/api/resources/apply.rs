//! Atomic put of several resources: all of them or none, and no part ever reaches proxies.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use model::draft::Document;
use model::{Kind, ResourceKey};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::write::{ATTEMPTS, accepted, in_place, keep_labels, promised};
use super::{PUT, history};
use crate::api::answer::{Answer, REVISION};
use crate::api::caller::Role;
use crate::api::collection::Collection;
use crate::api::operation::Outcome;
use crate::api::refusal::Refusal;
use crate::api::request::ApiRequest;
use crate::identity::mesh_secrets::Missing;
use crate::store::{Effect, Expected, Put, PutResult, Revision, Selection, StoreError, Stored};

/// Resource in the body.
struct Wanted {
    key: ResourceKey,
    said: Document,
}

/// Resource in the body, checked against the stored one.
struct Checked {
    put: Put,
    warnings: Vec<String>,
}

pub(super) async fn apply(request: ApiRequest) -> Outcome {
    if request.api().setup.read_only {
        let detail = "this control plane follows files: change them, and what they say is served here";
        return Err(Refusal::not_allowed(detail));
    }
    let wanted = wanted(&request)?;
    let store = request.api().store.as_ref();
    for _ in 0..ATTEMPTS {
        let listing = store.list(&Selection::default()).await;
        let listing = listing.map_err(|error| Refusal::of_store(PUT, &error))?;
        let there: BTreeMap<&ResourceKey, &Stored> = listing.items.iter().map(|it| (&it.key, it)).collect();
        let checked = wanted.iter().map(|it| on_top(&request, it, &there, &wanted));
        let checked = checked.collect::<Result<Vec<Checked>, _>>()?;
        let mut checked = checked;
        let mut puts = Vec::new();
        let brought: Vec<Put> = checked.iter().map(|it| it.put.clone()).collect();
        for Checked { put, warnings } in &mut checked {
            let promised = promised(store, &brought, &put.key, &put.document).await;
            let Missing { puts: with_it, remarks } = promised.map_err(|refusal| about(&put.key, refusal))?;
            puts.extend(with_it.into_iter().filter(|it| !is_brought(&it.key, &wanted)));
            warnings.extend(remarks);
        }
        let made = puts.len();
        puts.extend(checked.iter().map(|it| it.put.clone()));
        match store.put_all(puts).await {
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(Refusal::of_store(PUT, &error)),
            Ok(mut written) => {
                history::remember(&request, &written).await;
                return Ok(told(&checked, &written.split_off(made)));
            }
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT, "Conflict", "others change it at the same time: try again"))
}

/// Parses the resources of the body; a refusal names the resource that it is about.
fn wanted(request: &ApiRequest) -> Result<Vec<Wanted>, Refusal> {
    let documents = request.documents().map_err(|refusal| refusal.titled(PUT))?;
    let mut wanted = Vec::new();
    let mut keys = BTreeSet::new();
    for document in documents.iter().flat_map(items) {
        let key = ResourceKey::of_document(document.value())
            .map_err(|why| Refusal::bad(format!("resource {} of the body: {why}", wanted.len() + 1)))?;
        let collection = Collection::Kept(key.kind);
        if collection.is_secret() && request.caller.role() < Role::Admin {
            return Err(request.refuse_access(collection));
        }
        if !keys.insert(key.clone()) {
            return Err(Refusal::bad(format!("{key} is in the body twice")));
        }
        let said = in_place(&document, &key).map_err(|refusal| about(&key, refusal))?;
        wanted.push(Wanted { key, said });
    }
    if wanted.is_empty() {
        return Err(Refusal::bad(
            "the body has no resource: send one, or several as `{\"total\": 2, \"items\": […]}`",
        ));
    }
    // a mesh comes before its resources
    wanted.sort_by_key(|it| it.key.kind != Kind::Mesh);
    Ok(wanted)
}

/// Splits a document into its resources: itself, or the items of a list.
fn items(document: &Document) -> Vec<Document> {
    match document.value().get("items").and_then(Value::as_array) {
        Some(items) if document.value().get("type").is_none() => {
            items.iter().map(|item| Document::from_value("body", item.clone())).collect()
        }
        Some(_) | None => vec![document.clone()],
    }
}

/// Prepares a put over the stored resource, if it is allowed.
fn on_top(
    request: &ApiRequest,
    Wanted { key, said }: &Wanted,
    there: &BTreeMap<&ResourceKey, &Stored>,
    wanted: &[Wanted],
) -> Result<Checked, Refusal> {
    if let Some(mesh) = &key.mesh {
        let mesh = ResourceKey::global(Kind::Mesh, mesh);
        if !there.contains_key(&mesh) && !wanted.iter().any(|it| it.key == mesh) {
            let detail = format!("there is no Mesh {}, neither here nor in the body", mesh.name);
            return Err(about(key, Refusal::bad(detail)));
        }
    }
    let before = there.get(key).copied();
    let checked = accepted(request, key, said, before).map_err(|refusal| about(key, refusal));
    let (document, resource, warnings) = checked?;
    if let Some(before) = before {
        keep_labels(before, &resource).map_err(|refusal| about(key, refusal))?;
    }
    let expected = before.map_or(Expected::Absent, |before| Expected::Version(before.version));
    Ok(Checked { put: Put { key: key.clone(), document, expected }, warnings })
}

/// Returns `true` if the body contains a secret that would be generated, or the other half of its pair.
fn is_brought(made: &ResourceKey, wanted: &[Wanted]) -> bool {
    let halves = ["cert", "key"].map(|half| format!(".ca-builtin-{half}-"));
    let whole =
        |key: &ResourceKey| halves.iter().fold(key.name.clone(), |name, half| name.replace(half, ".ca-"));
    wanted
        .iter()
        .any(|it| it.key.kind == made.kind && it.key.mesh == made.mesh && whole(&it.key) == whole(made))
}

fn about(key: &ResourceKey, refusal: Refusal) -> Refusal {
    Refusal { detail: format!("{key}: {}", refusal.detail), ..refusal }
}

fn told(checked: &[Checked], written: &[PutResult]) -> Answer {
    let shown = |(it, PutResult { stored, effect }): (&Checked, &PutResult)| AppliedResource {
        key: it.put.key.clone(),
        outcome: match effect {
            Effect::Created => "created",
            Effect::Changed => "updated",
            Effect::Unchanged => "unchanged",
        },
        revision: stored.version,
        warnings: it.warnings.clone(),
    };
    let resources = checked.iter().zip(written).map(shown).collect();
    let changed = written.iter().filter(|it| it.effect != Effect::Unchanged);
    let revision = changed.map(|it| it.stored.version).max();
    let answer = Answer::json(json!(Applied { revision, resources }));
    match revision {
        Some(revision) => answer.with_header(REVISION, &revision.to_string()),
        None => answer,
    }
}

/// Result of an atomic put.
#[derive(Serialize, JsonSchema)]
pub(super) struct Applied {
    /// Store revision of the change; absent: nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    resources: Vec<AppliedResource>,
}

/// Result for one of the resources.
#[derive(Serialize, JsonSchema)]
struct AppliedResource {
    #[serde(flatten)]
    key: ResourceKey,
    /// `created`, `updated` or `unchanged`.
    outcome: &'static str,
    /// Revision of its last change.
    revision: Revision,
    warnings: Vec<String>,
}
