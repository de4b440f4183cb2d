//! The admin server: what runs, for programs and for people with `curl`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::store::folder::FileState;
use plan::plan_json;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use proxy::{ConnectionInfo, Proxy};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Status;
use super::metrics::Metrics;
use crate::health;
use crate::report::Plain;

#[derive(Clone)]
struct Desk {
    status: Arc<Status>,
    proxy: Arc<Proxy>,
    registry: Arc<Registry>,
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, status: Arc<Status>, proxy: Arc<Proxy>) {
    let mut registry = Registry::default();
    proxy.register(&mut registry);
    registry.register_collector(Box::new(Metrics::new(Arc::clone(&status))));
    let desk = Desk { status, proxy, registry: Arc::new(registry) };
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/healthy", get(async || "healthy\n"))
        .route("/plan", get(plan))
        .route("/status", get(status_page))
        .route("/connections", get(connections))
        .with_state(desk);
    if let Err(error) = axum::serve(listener, router).await {
        crate::output::complain(&format!("error: the admin server ended: {error}\n"));
    }
}

async fn index() -> &'static str {
    "/metrics      Prometheus metrics\n\
     /ready        200 when connections may be sent here, else 503 and why not\n\
     /healthy      200 as long as the process works\n\
     /plan         what every proxy must do, as JSON; ?proxy=MESH/NAME for one\n\
     /status       files, problems, listeners and the health of endpoints, as JSON\n\
     /connections  every open connection, as JSON\n"
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &desk.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response(),
    }
}

async fn ready(State(desk): State<Desk>) -> Response {
    match desk.status.unready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

#[derive(serde::Deserialize)]
struct Wanted {
    proxy: Option<String>,
}

async fn plan(State(desk): State<Desk>, Query(Wanted { proxy }): Query<Wanted>) -> Response {
    let report = desk.status.report();
    let Some(wanted) = proxy else {
        let plans: Vec<Value> = report.plans.values().map(|plan| plan_json(plan)).collect();
        return body(&json!({ "generation": report.generation, "plans": plans }));
    };
    let found = wanted.parse().ok().and_then(|key: model::ProxyKey| report.plans.get(&key));
    match found {
        Some(plan) => body(&plan_json(plan)),
        None => {
            let known: Vec<String> = report.plans.keys().map(ToString::to_string).collect();
            let error = json!({ "error": format!("no proxy {wanted} runs here"), "proxies": known });
            (StatusCode::NOT_FOUND, body(&error)).into_response()
        }
    }
}

async fn status_page(State(desk): State<Desk>) -> Response {
    let report = desk.status.report();
    let snapshot = desk.proxy.counters();
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|(file, state)| json!({ "file": file, "inForce": state_in_words(*state) }))
        .collect();
    body(&json!({
        "ready": desk.status.unready().is_none(),
        "unready": desk.status.unready(),
        "generation": report.generation,
        "changes": report.changes,
        "files": files,
        "problems": report.problems.iter().map(Plain::from).collect::<Vec<_>>(),
        "unbound": report.failed,
        "listeners": report.rows,
        "connections": snapshot.active(),
        "clusters": health::clusters(&snapshot),
    }))
}

/// What is in force of a file, in words.
pub(crate) fn state_in_words(state: FileState) -> &'static str {
    match state {
        FileState::Current => "current",
        FileState::LastGood => "last-good",
        FileState::Nothing => "nothing",
    }
}

async fn connections(State(desk): State<Desk>) -> Response {
    // asking every worker waits for each of them
    let proxy = Arc::clone(&desk.proxy);
    let listed = tokio::task::spawn_blocking(move || proxy.connections()).await.unwrap_or_default();
    body(&listed.iter().map(connection).collect::<Vec<_>>().into())
}

/// An open connection as a tree.
pub(crate) fn connection(info: &ConnectionInfo) -> Value {
    let ConnectionInfo {
        id,
        proxy,
        listener,
        destination,
        client,
        server_name,
        origin,
        first_backend,
        backend,
        cluster,
        endpoint,
        draw,
        generation,
        connected,
        age,
        bytes_from_client,
        bytes_to_client,
    } = info;
    let origin = origin.as_ref();
    json!({
        "id": id,
        "proxy": proxy.as_str(),
        "listener": listener,
        "destination": destination,
        "client": client.to_string(),
        "serverName": server_name,
        "policy": origin.map(|it| format!("{} {}/{}", it.kind, it.mesh, it.name)),
        "rule": origin.map(|it| &it.rule),
        "firstBackend": first_backend,
        "backend": backend,
        "cluster": cluster,
        "endpoint": endpoint.map(|address| address.to_string()),
        "draw": draw.map(|draw| draw.to_string()),
        "generation": generation,
        "connected": connected,
        "ageSeconds": age.as_secs_f64(),
        "bytesFromClient": bytes_from_client,
        "bytesToClient": bytes_to_client,
    })
}

fn body(tree: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{tree:#}\n")).into_response()
}
