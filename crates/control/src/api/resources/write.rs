//! Creation, replacement and deletion of resources.

use axum::http::{StatusCode, header};
use change::{GIVEN_ONCE, carry, complete};
use model::draft::{Document, parse};
use model::kind::Body;
use model::problems::{SHOWN, Shown};
use model::reference::ZONE_TAG;
use model::resource::ORIGIN_LABEL;
use model::{Kind, Problems, Profile, Resource, ResourceKey, Severity};
use serde_json::{Value, json};

use super::PUT;
use super::authority::check;
use super::{history, rollout};
use crate::api::addressed::{exists, is_addressed, keys_of};
use crate::api::answer::{Answer, REVISION};
use crate::api::caller::Role;
use crate::api::collection::Collection;
use crate::api::computed::take_out;
use crate::api::first_start::is_made_here;
use crate::api::operation::Outcome;
use crate::api::refusal::{Invalid, Refusal};
use crate::api::request::ApiRequest;
use crate::identity::mesh_secrets::{Missing, is_of_mesh, missing};
use crate::identity::secret;
use crate::store::{Effect, Expected, Put, Revision, Selection, Store, StoreError, Stored};

const DELETE: &str = "Could not delete a resource";
/// Limit on attempts to apply a change after a concurrent change.
pub(super) const ATTEMPTS: usize = 5;

/// Returns the kind in the path, if resources of it can be written there.
fn writable(request: &ApiRequest) -> Result<Kind, Refusal> {
    let collection = request.collection()?;
    let Collection::Kept(kind) = collection else {
        let name = collection.name();
        return Err(Refusal::not_allowed(format!("{name} is computed: it can only be read")));
    };
    if !is_addressed(request, collection) {
        return Err(Refusal::no_page());
    }
    if request.api().setup.read_only {
        let detail = "this control plane follows files: change them, and what they say is served here";
        return Err(Refusal::not_allowed(detail));
    }
    Ok(kind)
}

pub(in crate::api) async fn put(request: ApiRequest) -> Outcome {
    let kind = writable(&request)?;
    let expected = expected(&request)?;
    let store = request.api().store.as_ref();
    if let Some(mesh) = request.mesh() {
        exists(store, mesh).await?;
    }
    let key = keys_of(&request, kind);
    let said = said(&request, &key)?;
    for attempt in 1.. {
        let before = match store.get(&key).await {
            Ok(before) => before,
            // an unreadable resource may be replaced by a caller without expectations
            Err(StoreError::Damaged { .. }) if expected == Expected::Any => {
                let (document, _, _) = accepted(&request, &key, &said, None)?;
                let written = store.put(&key, document, Expected::Any).await;
                let written = written.map_err(|error| Refusal::of_store(PUT, &error))?;
                let version = written.stored.version;
                history::remember(&request, &[written]).await;
                return Ok(with_revision(Answer::json(json!({})), version));
            }
            Err(error) => return Err(Refusal::of_store(PUT, &error)),
        };
        let (document, resource, warnings) = accepted(&request, &key, &said, before.as_ref())?;
        if let Some(before) = &before {
            keep_labels(before, &resource)?;
        }
        let on_top = match (expected, &before) {
            (Expected::Any, Some(before)) => Expected::Version(before.version),
            (Expected::Any, None) => Expected::Absent,
            (expected, _) => expected,
        };
        let Missing { mut puts, remarks } = promised(store, &[], &key, &document).await?;
        puts.push(Put { key: key.clone(), document, expected: on_top });
        match store.put_all(puts).await {
            Err(StoreError::Conflict { key: at, .. })
                if (expected == Expected::Any || at != key) && attempt < ATTEMPTS => {}
            Err(error) => return Err(Refusal::of_store(PUT, &error)),
            Ok(written) => {
                history::remember(&request, &written).await;
                // its prerequisites come before it
                let Some(written) = written.into_iter().next_back() else { break };
                let warnings: Vec<String> = warnings.into_iter().chain(remarks).collect();
                let status = match written.effect {
                    Effect::Created => StatusCode::CREATED,
                    Effect::Changed | Effect::Unchanged => StatusCode::OK,
                };
                let body = if warnings.is_empty() { json!({}) } else { json!({ "warnings": warnings }) };
                let answer = Answer::json(body).with_status(status);
                return Ok(with_revision(answer, written.stored.version));
            }
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT, "Conflict", "others change it at the same time: try again"))
}

/// Checks a mesh or a rollout against the store, and returns the resources that have to be stored with it. `brought`:
/// resources that are put together with it.
pub(super) async fn promised(
    store: &dyn Store,
    brought: &[Put],
    key: &ResourceKey,
    document: &Value,
) -> Result<Missing, Refusal> {
    match key.kind {
        Kind::Mesh => {
            check(store, brought, key, document).await?;
            missing(store, &key.name, document).await.map_err(|error| Refusal::of_store(PUT, &error))
        }
        Kind::MeshTCPRollout => {
            rollout::check(store, brought, key, document).await?;
            Ok(Missing::default())
        }
        _ => Ok(Missing::default()),
    }
}

fn with_revision(answer: Answer, revision: Revision) -> Answer {
    answer.with_header(REVISION, &revision.to_string()).with_header(header::ETAG, &format!("\"{revision}\""))
}

/// Parses `If-Match` and `If-None-Match`.
fn expected(request: &ApiRequest) -> Result<Expected, Refusal> {
    let one = |name| request.headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    if one(header::IF_NONE_MATCH) == Some("*") {
        return Ok(Expected::Absent);
    }
    let Some(tag) = one(header::IF_MATCH) else { return Ok(Expected::Any) };
    let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    let number = number.ok_or_else(|| {
        Refusal::bad("`If-Match` is not understood: send the ETag of the answer that the change is based on")
    })?;
    Ok(Expected::Version(Revision::new(number)))
}

/// Parses the body, with its place filled in.
fn said(request: &ApiRequest, key: &ResourceKey) -> Result<Document, Refusal> {
    let invalid = |why: &str| Refusal::bad(format!("invalid {} object: {why}", key.kind));
    let documents = request.documents().map_err(|refusal| invalid(&refusal.detail))?;
    let document = match documents.as_slice() {
        [document] => document,
        [] => return Err(invalid("\"unexpected end of JSON input\": the body is empty")),
        several => return Err(invalid(&format!("the body has {} resources: send one", several.len()))),
    };
    in_place(document, key)
}

/// Validates a document together with what it inherits from the stored one. Returns it as it is stored, as it was
/// parsed, and the warnings about it.
pub(super) fn accepted(
    request: &ApiRequest,
    key: &ResourceKey,
    said: &Document,
    before: Option<&Stored>,
) -> Result<(Value, Resource, Vec<String>), Refusal> {
    let mut whole = said.value().clone();
    take_out(request.api().setup.rules.zone.as_deref(), key.kind, &mut whole);
    if let Some(before) = before {
        carry(&before.document, &mut whole, key.kind);
    }
    let document = Document::from_value("body", whole);
    let parsed = parse(&document, &request.api().setup.rules);
    let Some(resource) = parsed.resource else { return Err(Refusal::invalid(PUT, &parsed.problems)) };
    let mut warnings = in_words(&parsed.problems);
    warnings.extend(deprecation(&document, request.api().setup.rules.profile).map(str::to_owned));
    let labels = &said.value()["labels"];
    // a copied resource belongs to where it came from
    let is_copy = labels[ORIGIN_LABEL] == "global";
    if let Some(zone) = request.api().setup.rules.zone.as_deref()
        && let Some(named) = labels[ZONE_TAG].as_str()
        && named != zone
        && !is_copy
    {
        let reason = format!("the {ZONE_TAG} label must have the same value as the current zone: {zone}");
        return Err(Refusal::field(PUT, "Resource is not valid", &format!("labels[\"{ZONE_TAG}\"]"), reason));
    }
    let mut stored = document.value().clone();
    if let Some(members) = stored.as_object_mut() {
        key.kind.computed_members().iter().for_each(|computed| drop(members.shift_remove(*computed)));
    }
    let zone = request.api().setup.rules.zone.as_deref();
    if !is_made_here(key, zone) {
        complete(&mut stored, &resource, zone);
    }
    if matches!(key.kind, Kind::Secret | Kind::GlobalSecret) {
        secret::bytes(&stored)
            .ok_or_else(|| Refusal::field(PUT, "Resource is not valid", "data", "must be text in base64"))?;
    }
    Ok((stored, resource, warnings))
}

/// Returns the deprecation notice for a policy that selects its targets in the older way.
fn deprecation(document: &Document, profile: Profile) -> Option<&'static str> {
    let value = document.value();
    let is_older = value["spec"]["from"].as_array().is_some_and(|from| !from.is_empty());
    if !is_older || profile < Profile::V2_14 {
        return None;
    }
    match value["type"].as_str()? {
        "MeshRateLimit" => Some("'from' field is deprecated, use 'rules' instead"),
        "MeshFaultInjection" => {
            Some("'from' field is deprecated, use 'rules' with SPIFFE-based 'matches' instead")
        }
        "MeshTrafficPermission" => Some(
            "'from' field is deprecated and will be removed in 3.0, use 'rules' with MeshIdentity (spiffeId) instead",
        ),
        _ => None,
    }
}

/// Renders warnings: the first ones, and the number of the others.
fn in_words(problems: &Problems) -> Vec<String> {
    let warnings = problems.only(Severity::Warning);
    let Shown { problems, more } = warnings.shown(SHOWN);
    let more = (more > 0).then(|| format!("there are {more} more"));
    problems.into_iter().map(|problem| problem.violation.to_string()).chain(more).collect()
}

/// Returns the document in the Universal format with its place filled in, if it matches the place that the path names.
pub(super) fn in_place(document: &Document, key: &ResourceKey) -> Result<Document, Refusal> {
    let mut value = document.value().clone();
    let Some(members) = value.as_object_mut() else { return Err(Refusal::bad("the body is no resource")) };
    if members.contains_key("apiVersion") {
        return Err(Refusal::bad(
            "the body is a Kubernetes manifest: send it in the Universal format, with `type`",
        ));
    }
    let mut invalid = Vec::new();
    let mut same = |field: &str, wanted: &str, fill: bool| match members.get(field) {
        None if fill => drop(members.insert(field.into(), json!(wanted))),
        Some(Value::String(text)) if text == wanted => {}
        _ => invalid.push(Invalid {
            field: field.into(),
            reason: format!("{field} from the URL has to be the same as in body"),
        }),
    };
    if key.kind.body() == Body::Inline {
        same("type", key.kind.as_str(), false);
    }
    same("name", &key.name, false);
    match &key.mesh {
        Some(mesh) => same("mesh", mesh, true),
        None => drop(members.shift_remove("mesh")),
    }
    if key.kind.body() == Body::Spec && members.get("type").and_then(Value::as_str) != Some(key.kind.as_str())
    {
        // as the schema of the kind requires
        let reason = format!("type in body should be one of [{}]", key.kind);
        invalid.insert(0, Invalid { field: String::new(), reason });
    }
    if !invalid.is_empty() {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, PUT, "Resource is not valid");
        return Err(Refusal { invalid, ..refusal });
    }
    Ok(Document::from_value("body", value))
}

/// Refuses a change of the labels that record the origin of a resource.
pub(super) fn keep_labels(before: &Stored, after: &Resource) -> Result<(), Refusal> {
    for label in GIVEN_ONCE {
        let Some(old) = before.document["labels"][label].as_str() else { continue };
        if after.meta().labels.get(label) != Some(old) {
            let field = format!("labels[\"{label}\"]");
            let reason = format!("cannot be changed or removed: it is `{old}`");
            return Err(Refusal::field(PUT, "Resource is not valid", &field, reason));
        }
    }
    Ok(())
}

pub(in crate::api) async fn delete(request: ApiRequest) -> Outcome {
    let kind = writable(&request)?;
    let expected = expected(&request)?;
    let store = request.api().store.as_ref();
    if let Some(mesh) = request.mesh() {
        exists(store, mesh).await?;
    }
    let key = keys_of(&request, kind);
    if kind == Kind::Mesh {
        empty(&request, &key.name).await?;
    }
    let revision = store.delete(&key, expected).await.map_err(|error| Refusal::of_store(DELETE, &error))?;
    history::remember_gone(&request, &key, revision).await;
    Ok(Answer::json(json!({})).with_header(REVISION, &revision.to_string()))
}

/// Deletes everything in a mesh, or refuses: a mesh with proxies in it stays, and so does one with a resource that the
/// caller may not delete by itself. The secrets that came with the mesh are deleted with it.
async fn empty(request: &ApiRequest, mesh: &str) -> Result<(), Refusal> {
    let store = request.api().store.as_ref();
    let error = |error: StoreError| Refusal::of_store(DELETE, &error);
    let inside = store.list(&Selection { kind: None, mesh: Some(mesh.into()) }).await.map_err(error)?;
    if inside.items.iter().any(|stored| stored.key.kind == Kind::Dataplane) {
        let reason = "unable to delete mesh, there are still some dataplanes attached";
        return Err(Refusal::field(DELETE, "Resource is not valid", "mesh", reason));
    }
    let is_secret = |stored: &Stored| {
        Collection::Kept(stored.key.kind).is_secret() && !is_of_mesh(mesh, &stored.key.name)
    };
    if request.caller.role() < Role::Admin && inside.items.iter().any(is_secret) {
        return Err(request
            .caller
            .refused("cannot delete the mesh: there are resources of type \"Secret\" in it"));
    }
    for stored in inside.items {
        match store.delete(&stored.key, Expected::Any).await {
            Ok(revision) => history::remember_gone(request, &stored.key, revision).await,
            Err(StoreError::NotFound(_)) => {}
            Err(other) => return Err(error(other)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_for_the_place_in_the_path() {
        let key = ResourceKey::new(Kind::MeshTCPRoute, "shop", "canary");
        let place = |value| in_place(&Document::from_value("body", value), &key);
        let filled = place(json!({ "type": "MeshTCPRoute", "name": "canary" })).unwrap();
        assert_eq!(filled.value()["mesh"], "shop");
        let refusal = place(json!({ "type": "MeshTimeout", "name": "other", "mesh": "other" })).unwrap_err();
        let fields: Vec<&str> = refusal.invalid.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["", "name", "mesh"]);
        assert!(place(json!([])).is_err() && place(json!({ "apiVersion": "kuma.io/v1alpha1" })).is_err());
    }
}
