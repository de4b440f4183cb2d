//! The admin server: what runs, and how the link to the control plane is.

use std::sync::Arc;

use ::proxy::Proxy;
use ::proxy::discovery::Link;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::follower::Carried;
use crate::health;
use crate::up::connection;

#[derive(Clone)]
struct Desk {
    proxy: Arc<Proxy>,
    link: watch::Receiver<Link>,
    carried: watch::Receiver<Carried>,
    registry: Arc<Registry>,
}

/// Serves until the process ends.
pub(super) async fn serve(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    link: watch::Receiver<Link>,
    carried: watch::Receiver<Carried>,
) {
    let mut registry = Registry::default();
    proxy.register(&mut registry);
    let desk = Desk { proxy, link, carried, registry: Arc::new(registry) };
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/healthy", get(async || "healthy\n"))
        .route("/status", get(status))
        .route("/connections", get(connections))
        .with_state(desk);
    if let Err(error) = axum::serve(listener, router).await {
        crate::output::complain(&format!("error: the admin server ended: {error}\n"));
    }
}

async fn index() -> &'static str {
    "/metrics      Prometheus metrics\n\
     /ready        200 when a configuration runs, else 503 and why not\n\
     /healthy      200 as long as the process works\n\
     /status       the link to the control plane, what runs, and the health of endpoints, as JSON\n\
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
    // also what was started from disk
    if desk.carried.borrow().generation > 0 {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready: no configuration has come yet\n").into_response()
}

async fn status(State(desk): State<Desk>) -> Response {
    let Link { connected, streams, generation, error, control_plane } = desk.link.borrow().clone();
    let Carried { generation: running, unbound } = desk.carried.borrow().clone();
    let snapshot = desk.proxy.counters();
    body(&json!({
        "controlPlane": {
            "address": control_plane.trim_end_matches('/'),
            "connected": connected,
            "streams": streams,
            "configurations": generation,
            "error": error,
        },
        "generation": running,
        "unbound": unbound,
        "connections": snapshot.active(),
        "clusters": health::clusters(&snapshot),
    }))
}

async fn connections(State(desk): State<Desk>) -> Response {
    // asking every worker waits for each of them
    let listed = tokio::task::spawn_blocking(move || desk.proxy.connections()).await.unwrap_or_default();
    body(&listed.iter().map(connection).collect::<Vec<_>>().into())
}

fn body(tree: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{tree:#}\n")).into_response()
}
