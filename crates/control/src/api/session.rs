//! Session of the page: the features of this server, and the permissions of the caller.

use axum::http::Method;
use change::story::Story;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome, Schema};
use super::refusal::Refusal;
use super::request::ApiRequest;

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let story = Operation::new(
        Method::POST,
        "/_story",
        "Says why a connection went where it went, by a line of its connection log",
        |request| Box::pin(story(request)),
    );
    vec![
        Operation::get(
            "/_session",
            "Says what is offered here, and what the caller may do",
            Schema::of::<Session>(),
            |request| Box::pin(async move { Ok(Answer::json(json!(Session::of(&request)))) }),
        )
        .needs(Role::Nobody),
        story.takes("Line").good(200, Body::of::<Story>()).needs(Role::Reader),
    ]
}

/// Features offered here, and permissions of the caller.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Session {
    product: &'static str,
    version: &'static str,
    /// Id of the process.
    instance: String,
    /// Release whose rules apply.
    profile: String,
    /// Name of the caller, as the API knows them.
    name: String,
    /// Role: `nobody`, `reader`, `writer` or `admin`.
    role: String,
    /// `true`: nobody may write here.
    read_only: bool,
    /// Parts of the API that are available.
    offers: [&'static str; 4],
}

impl Session {
    fn of(request: &ApiRequest) -> Self {
        let setup = &request.api().setup;
        Self {
            product: "control plane",
            version: env!("CARGO_PKG_VERSION"),
            instance: setup.instance.to_string(),
            profile: setup.rules.profile.as_str().to_owned(),
            name: request.caller.name.to_string(),
            role: request.caller.role().as_str().to_owned(),
            read_only: setup.read_only,
            offers: ["resources", "revisions", "tokens", "history"],
        }
    }
}

async fn story(request: ApiRequest) -> Outcome {
    let body = request.object()?;
    let line = body.get("line").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let standing = request.api().plane.standing();
    let told = Story::told(line, &standing.compiled).ok_or_else(|| {
        Refusal::bad(
            "the body has no line of a connection log: send `{\"line\": \"id=… listener=… ended=…\"}`",
        )
    })?;
    Ok(Answer::json(json!(told)))
}
