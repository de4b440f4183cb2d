//! What the page has to know before it asks: what this server offers, and what the caller may do.

use axum::http::Method;
use change::story::Story;
use serde_json::{Value, json};

use super::answer::Answer;
use super::ask::Ask;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome};
use super::refusal::Refusal;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    let story = Operation::new(
        Method::POST,
        "/_story",
        "Says why a connection went where it went, by a line of its connection log",
        |ask| Box::pin(story(ask)),
    );
    vec![
        Operation::get(
            "/_session",
            "Says what is offered here, and what the caller may do",
            "Session",
            |ask| Box::pin(async move { Ok(Answer::json(session(&ask))) }),
        )
        .needs(Role::Nobody),
        story.takes("Line").good(200, Body::Json("Story")).needs(Role::Reader),
    ]
}

fn session(ask: &Ask) -> Value {
    let setup = &ask.desk().setup;
    json!({
        "product": "control plane",
        "version": env!("CARGO_PKG_VERSION"),
        "instance": setup.instance,
        "profile": setup.rules.profile.as_str(),
        "name": ask.caller.name,
        "role": ask.caller.role().as_str(),
        "readOnly": setup.read_only,
        "offers": ["resources", "revisions", "tokens", "history"],
    })
}

async fn story(ask: Ask) -> Outcome {
    let body = ask.object()?;
    let line = body.get("line").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let standing = ask.desk().plane.standing();
    let told = Story::told(line, &standing.compiled).ok_or_else(|| {
        Refusal::bad(
            "the body has no line of a connection log: send `{\"line\": \"id=… listener=… ended=…\"}`",
        )
    })?;
    Ok(Answer::json(json!(told)))
}
