//! Dispatch of requests to operations: caller, permission, body.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};

use super::Api;
use super::answer::Answer;
use super::caller::Role;
use super::collection::Collection;
use super::operation::{Operation, Outcome};
use super::recognise::recognise;
use super::refusal::Refusal;
use super::request::{ApiRequest, NO_PAGE, check_media_type};
use super::serve::Peer;
use crate::guard::caught_task;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Builds the router of all operations.
pub(super) fn router(api: Api) -> Router {
    let mut paths: BTreeMap<&'static str, MethodRouter<Api>> = BTreeMap::new();
    for operation in super::operations() {
        let filter = match operation.method {
            Method::PUT => MethodFilter::PUT,
            Method::POST => MethodFilter::POST,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let operation = Arc::new(operation);
        let handler = {
            let operation = Arc::clone(&operation);
            move |State(api): State<Api>, request: Request| dispatch(api, operation, request)
        };
        let others = paths.remove(operation.path).unwrap_or_default();
        paths.insert(operation.path, others.on(filter, handler));
    }
    let mut router = crate::page::routes();
    for (path, methods) in paths {
        router = router.route(path, methods);
    }
    router.method_not_allowed_fallback(not_allowed).fallback(no_page).with_state(api)
}

async fn not_allowed(uri: Uri) -> Response {
    // a single unknown word is no resource, for example a page of another server
    let first = uri.path().split('/').find(|part| !part.is_empty()).unwrap_or_default();
    let is_known = |path: &str| path.split('/').nth(1) == Some(first);
    if Collection::at(first).is_none() && !super::operations().iter().any(|it| is_known(it.path)) {
        return no_page().await;
    }
    Answer::text("405: Method Not Allowed").with_status(StatusCode::METHOD_NOT_ALLOWED).into_response()
}

async fn no_page() -> Response {
    Answer::text(NO_PAGE).with_status(StatusCode::NOT_FOUND).into_response()
}

async fn dispatch(api: Api, operation: Arc<Operation>, request: Request) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let id = request_id(&request);
    let uri = request.uri().clone();
    let outcome = caught_task("api", answer(&api, &operation, request)).await;
    let outcome = outcome.unwrap_or_else(|| Err(Refusal::failed()));
    let response = match outcome {
        Ok(answer) => answer.into_response(),
        Err(refusal) if refusal.is_no_page() => no_page().await,
        Err(refusal) => {
            if refusal.status.is_server_error() {
                tracing::warn!(%method, path = uri.path(), request = %id, title = refusal.title, detail = refusal.detail, "request failed");
            }
            Answer::from(refusal).into_response()
        }
    };
    let mut response: Response = response;
    let took = started.elapsed();
    let status = response.status().as_u16();
    tracing::debug!(%method, path = uri.path(), request = %id, status, ?took, "request answered");
    api.inner.metrics.answered(&method, operation.path, status, took);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // answers to admins must not be cached, and nothing here is for a frame or a script of another site
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(api: &Api, operation: &Operation, request: Request) -> Outcome {
    let (mut parts, body) = request.into_parts();
    let parameters = match operation.path.contains('{') {
        true => {
            let read = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, &()).await;
            read.map_err(|_| Refusal::bad("the path is no text in UTF-8"))?.0
        }
        false => Vec::new(),
    };
    // an unknown page is unknown to everybody
    if parameters.iter().any(|(name, value)| name == "plural" && Collection::at(value).is_none()) {
        return Err(Refusal::no_page());
    }
    if operation.body.is_some() {
        // errors that do not depend on the caller need no permission
        check_media_type(&parts.headers)?;
    }
    let caller = recognise(api, operation, &parts).await?;
    if caller.role() < operation.needs {
        let Parts { method, uri, .. } = &parts;
        let verb = if operation.needs == Role::Reader { "read" } else { "do" };
        return Err(caller.refused(&format!("may not {verb} this ({method} {})", uri.path())));
    }
    if operation.is_about_resources() && !api.inner.is_prepared().await {
        return Err(Refusal::starting());
    }
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = query.map_err(|error| Refusal::bad(format!("the query is not understood: {error}")))?.0;
    let body = match operation.body {
        Some(_) => read_body(api, operation, &parts, body).await?,
        None => Bytes::new(),
    };
    let scheme = parts.extensions.get::<Peer>().map_or("http", |peer| peer.scheme);
    let request = ApiRequest {
        api: api.clone(),
        caller,
        scheme,
        path: path_of(&parts.uri),
        parameters,
        query,
        headers: parts.headers,
        body,
    };
    (operation.run)(request).await
}

async fn read_body(api: &Api, operation: &Operation, parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
    let setup = &api.inner.setup;
    let (limit, patience) = match operation.of_many {
        true => (setup.body_limit * 16, setup.body_timeout * 3),
        false => (setup.body_limit, setup.body_timeout),
    };
    let too_large = || {
        let detail = format!("a body may have {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large", detail)
    };
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::bad("the body did not arrive as a whole")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", patience.as_secs_f64());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "Request Timeout", detail))
        }
    }
}

fn is_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string().contains("limit"))
}

fn path_of(uri: &Uri) -> String {
    uri.path().to_owned()
}

/// Returns the request id of the caller if it is harmless in a log; otherwise a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match given.filter(harmless) {
        Some(given) => given.to_owned(),
        None => crate::identity::fresh_id(),
    }
}
