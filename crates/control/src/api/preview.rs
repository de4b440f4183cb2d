//! Preview of a change by the control plane itself: nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use change::addresses::Filler;
use change::preview::{OpenConnections, Preview, State, overlay, preview, stored};
use change::{Content, Entry, Ledger};
use model::problems::SHOWN;
use model::{Kind, Problem, ResourceKey};
use plan::Context;
use serde_json::json;

use super::addressed::NO_MESH;
use super::answer::Answer;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome};
use super::refusal::{Invalid, Refusal};
use super::request::ApiRequest;
use crate::ports::{self, PORTS};
use crate::store::Selection;

const TITLE: &str = "Could not preview a change";

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let row = Operation::new(
        Method::POST,
        "/_preview",
        "What it would do to put these resources, without doing it",
        |request| Box::pin(foretold(request)),
    );
    vec![row.takes("Proposal").good(200, Body::of::<Preview>()).bad(404).needs(Role::Reader)]
}

async fn foretold(request: ApiRequest) -> Outcome {
    let put = proposed(&request)?;
    let asked: usize = put.iter().map(|entry| ports::of(&entry.resource)).sum();
    if asked > PORTS && request.caller.role() < Role::Writer {
        let detail = format!(
            "a preview for a reader plans {PORTS} inbounds and outbounds at most, and these are {asked}: let a writer ask, or \
             preview them with `meshtcp preview` on files"
        );
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, TITLE, detail));
    }
    let listing = request.api().store.list(&Selection::default()).await;
    let listing = listing.map_err(|error| Refusal::of_store(TITLE, &error))?;
    let inner = request.api.inner.clone();
    // a preview plans every proxy twice: one at a time leaves the machine to other callers
    let turn = inner.previews.acquire().await.map_err(|_| Refusal::leaving())?;
    let (rules, ranges) = (inner.setup.rules.clone(), inner.setup.vips);
    let envoy = inner.plane.standing().envoy();
    let work = move || {
        let documents = listing.items.iter().filter(|it| !is_secret(it.key.kind));
        let shown = documents.map(|it| super::document::Format::Universal.show(it));
        // what cannot be parsed is not in force either
        let in_force: Ledger = shown.filter_map(|shown| stored(shown, rules.profile).ok()).collect();
        let zone = rules.zone.as_deref().map(Into::into);
        let context = Context { zone, tag_range: ranges.tags, ..Context::new(rules.profile) };
        let before = State::of(in_force, &context, envoy);
        let proposed = overlay(&before.ledger, &put, &BTreeSet::new(), rules.profile);
        of_known_meshes(&proposed, &put)?;
        let mut filler = Filler::new(ranges, rules);
        let after = State::of(filler.fill(&proposed), &context, envoy);
        Ok::<_, Refusal>(preview(&before, &after, &OpenConnections::new()).remarking(filler.problems()))
    };
    let foretold = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::leaving())??;
    drop(turn);
    Ok(Answer::json(json!(foretold)))
}

/// Parses the resources in the body: one, a list, or in YAML several documents. Secrets are left out: they change
/// nothing that a preview shows, and their current values are not for readers.
fn proposed(request: &ApiRequest) -> Result<Vec<Arc<Entry>>, Refusal> {
    let content = Content::read("the body", &request.body, &request.api().setup.rules);
    if content.problems.has_errors() {
        return Err(Refusal::invalid_by(TITLE, &content.problems, invalid));
    }
    if content.entries.is_empty() {
        return Err(Refusal::bad(
            "the body has no resource: send one, or several as `{\"total\": 2, \"items\": […]}`",
        ));
    }
    let entries = content.entries.into_iter();
    Ok(entries.filter(|entry| !is_secret(entry.resource.kind())).collect())
}

/// Refuses resources in a mesh that does not exist, as a put does.
fn of_known_meshes(proposed: &Ledger, put: &[Arc<Entry>]) -> Result<(), Refusal> {
    let is_lost = |entry: &&Arc<Entry>| {
        let key = entry.resource.key();
        key.mesh.is_some_and(|mesh| proposed.get(&ResourceKey::global(Kind::Mesh, mesh)).is_none())
    };
    let lost: Vec<&Arc<Entry>> = put.iter().filter(is_lost).collect();
    let reason = |entry: &Arc<Entry>| format!("{}: there is no such mesh", entry.resource.key());
    let invalid =
        lost.iter().take(SHOWN).map(|it| Invalid { field: "mesh".into(), reason: reason(it) }).collect();
    match lost.len() {
        0 => Ok(()),
        all => Err(Refusal { invalid, more: all.saturating_sub(SHOWN), ..Refusal::not_found(NO_MESH) }),
    }
}

/// Renders a problem, with the resource that it is in: there may be many.
fn invalid(problem: &Problem) -> Invalid {
    let Problem { resource, violation, help, .. } = problem;
    let of = resource.as_ref().map(|resource| format!("{resource}: ")).unwrap_or_default();
    let help = help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    Invalid { field: violation.field.clone(), reason: format!("{of}{}{help}", violation.message) }
}

fn is_secret(kind: Kind) -> bool {
    matches!(kind, Kind::Secret | Kind::GlobalSecret)
}
