//! Issuance of tokens.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::addressed::exists;
use super::answer::Answer;
use super::caller::Role;
use super::operation::{Body, Operation, Outcome};
use super::refusal::Refusal;
use super::request::ApiRequest;
use crate::identity::{Bearer, Claims, TokenError};

const TITLE: &str = "Could not create a token";
/// Longest validity of a token: ten years.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let row = |path, summary, body, run| {
        Operation::new(Method::POST, path, summary, run)
            .takes(body)
            .good(200, Body::Text)
            .needs(Role::Admin)
            .bad(404)
    };
    vec![
        row(
            "/tokens/dataplane",
            "Issues a token that a proxy attaches with",
            "DataplaneTokenRequest",
            |request| Box::pin(dataplane(request)),
        ),
        row("/tokens/zone", "Issues a token for a zone", "ZoneTokenRequest", |request| {
            Box::pin(zone(request))
        }),
        row("/tokens/user", "Issues a token for this API", "UserTokenRequest", |request| {
            Box::pin(user(request))
        }),
    ]
}

fn invalid(field: &str, reason: impl Into<String>) -> Refusal {
    Refusal::field("Invalid request", "Resource is not valid", field, reason)
}

/// Parameters of a requested token, by field.
struct Wanted(Map<String, Value>);

impl Wanted {
    fn read(request: &ApiRequest) -> Result<Self, Refusal> {
        request.object().map(Self)
    }

    fn text(&self, field: &str) -> Result<String, Refusal> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(invalid(field, "must be text")),
        }
    }

    fn list(&self, field: &str) -> Result<Vec<String>, Refusal> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let text = |item: &Value| item.as_str().map(str::to_owned);
                items
                    .iter()
                    .map(text)
                    .collect::<Option<_>>()
                    .ok_or_else(|| invalid(field, "must be a list of texts"))
            }
            Some(_) => Err(invalid(field, "must be a list of texts")),
        }
    }

    /// Requested validity, as Go writes durations; `None`: not given.
    fn valid_for(&self) -> Result<Option<Duration>, Refusal> {
        let text = self.text("validFor")?;
        if text.is_empty() {
            return Ok(None);
        }
        let found = model::policy::parse_duration(&text).filter(|found| !found.is_zero());
        let why = || format!("is invalid: time: invalid duration {text:?}: write one such as 24h or 30m");
        found.map(Some).ok_or_else(|| invalid("validFor", why()))
    }
}

async fn dataplane(request: ApiRequest) -> Outcome {
    let wanted = Wanted::read(&request)?;
    let mesh = wanted.text("mesh")?;
    if mesh.is_empty() {
        return Err(invalid("mesh", "cannot be empty"));
    }
    let kind = wanted.text("type")?;
    if !matches!(kind.as_str(), "" | "dataplane" | "ingress" | "egress") {
        return Err(invalid("type", "must be dataplane, ingress or egress"));
    }
    let mut tags = std::collections::BTreeMap::new();
    match wanted.0.get("tags") {
        None | Some(Value::Null) => {}
        Some(Value::Object(members)) => {
            for (key, values) in members {
                let values = Wanted(Map::from_iter([("tags".to_owned(), values.clone())])).list("tags")?;
                tags.insert(key.clone(), values);
            }
        }
        Some(_) => return Err(invalid("tags", "must be lists of values by tag")),
    }
    exists(request.api().store.as_ref(), &mesh).await?;
    let bearer = Bearer::Dataplane {
        name: wanted.text("name")?,
        mesh,
        tags,
        kind,
        workload: wanted.text("workload")?,
    };
    issue(&request, bearer, wanted.valid_for()?.unwrap_or(LONG)).await
}

async fn zone(request: ApiRequest) -> Outcome {
    let wanted = Wanted::read(&request)?;
    let scope = wanted.list("scope")?;
    if scope.is_empty() {
        return Err(invalid("scope", "cannot be empty"));
    }
    if let Some(other) =
        scope.iter().find(|it| !matches!(it.as_str(), "ingress" | "egress" | "cp" | "ratelimit"))
    {
        return Err(invalid("scope", format!("`{other}` is none of ingress, egress, cp")));
    }
    let bearer = Bearer::Zone { zone: wanted.text("zone")?, scope };
    issue(&request, bearer, wanted.valid_for()?.unwrap_or(LONG)).await
}

async fn user(request: ApiRequest) -> Outcome {
    let wanted = Wanted::read(&request)?;
    let (name, valid_for) = (wanted.text("name")?, wanted.valid_for()?);
    let is_missing = [("name", name.is_empty()), ("validFor", valid_for.is_none())];
    let missing = is_missing.into_iter().filter(|(_, is_missing)| *is_missing);
    let refusals: Vec<Refusal> = missing.map(|(field, _)| invalid(field, "cannot be empty")).collect();
    let mut refusals = refusals.into_iter();
    if let Some(first) = refusals.next() {
        let invalid = first.invalid.iter().cloned().chain(refusals.flat_map(|it| it.invalid)).collect();
        return Err(Refusal { invalid, ..first });
    }
    let groups = wanted.list("groups")?;
    issue(&request, Bearer::User { name, groups }, valid_for.unwrap_or_default()).await
}

async fn issue(request: &ApiRequest, bearer: Bearer, valid_for: Duration) -> Outcome {
    let valid_for = valid_for.min(LONG * 10);
    match request.api().tokens.issue(Claims::new(bearer, valid_for)).await {
        Ok(token) => Ok(Answer::text(token)),
        Err(TokenError::Store(error)) => Err(Refusal::of_store(TITLE, &error)),
        Err(error @ TokenError::NoKey { .. }) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, TITLE, error.to_string()))
        }
        Err(error) => Err(Refusal::new(StatusCode::BAD_REQUEST, TITLE, error.to_string())),
    }
}
