//! Admin server: the running configuration, and the state of the link to the control plane.

use std::sync::Arc;

use ::proxy::Proxy;
use ::proxy::discovery::Link;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use control::web::KnownAs;
use otlp::Exporter;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::agent;
use super::follower::Carried;
use crate::data_path::{self, DataPath};
use crate::panics::Panics;
use crate::process::Process;
use crate::streams::Dropped;
use crate::takeover::Seat;
use crate::{health, pages, traffic, workers};

#[derive(Clone)]
struct AppState {
    proxy: Arc<Proxy>,
    data_path: Arc<DataPath>,
    link: watch::Receiver<Link>,
    carried: watch::Receiver<Carried>,
    registry: Arc<Registry>,
    /// SPIRE agent; `None`: none is asked.
    agent: Option<agent::Shown>,
    seat: Seat,
}

/// All metrics of the process.
pub(super) fn registry(
    proxy: &Proxy,
    data_path: &Arc<DataPath>,
    exporter: &Exporter,
    agent: Option<&agent::Shown>,
) -> Registry {
    let mut registry = Registry::default();
    if let Some(agent) = agent {
        registry.register_collector(Box::new(agent.clone()));
    }
    proxy.register(&mut registry);
    registry.register_collector(Box::new(data_path::Metrics::new(Arc::clone(data_path))));
    registry.register_collector(Box::new(Process::running("proxy")));
    registry.register_collector(Box::new(Panics::new("meshtcp_")));
    registry.register_collector(Box::new(Dropped::new("meshtcp_")));
    registry.register_collector(Box::new(exporter.counts().called("meshtcp_")));
    registry
}

/// Serves until the process ends, or another process takes over.
pub(super) async fn serve(
    (listener, seat): (TcpListener, Seat),
    (proxy, data_path): (Arc<Proxy>, Arc<DataPath>),
    (link, agent): (watch::Receiver<Link>, Option<agent::Shown>),
    carried: watch::Receiver<Carried>,
    (known_as, registry): (KnownAs, Arc<Registry>),
) {
    let counted = traffic::serve(traffic::count(&proxy), carried.clone());
    let state = AppState { proxy, data_path, link, carried, registry, agent, seat: seat.clone() };
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/healthy", get(async || "healthy\n"))
        .route("/status", get(status))
        .route("/connections", get(connections))
        .with_state(state)
        .merge(counted);
    seat.serve(listener, router, known_as).await;
}

async fn index() -> &'static str {
    "/metrics      Prometheus metrics\n\
     /ready        200 when a configuration runs, else 503 and why not\n\
     /healthy      200 as long as the process works\n\
     /status       the link to the control plane, what runs, and the health of endpoints, as JSON\n\
     /connections  every open connection, as JSON\n\
     /_traffic     what connections do, as JSON; ?route=, ?sort=busiest and others\n"
}

async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    pages::metrics(&state.registry, &headers)
}

async fn ready(State(state): State<AppState>) -> Response {
    if state.seat.is_leaving() {
        return pages::ready(Some("leaving"));
    }
    // also `true` for a configuration from disk
    let runs = state.carried.borrow().generation > 0;
    let Link { lost, is_waiting, control_plane, .. } = state.link.borrow().clone();
    let at = control_plane.trim_end_matches('/');
    let why = match lost {
        None if is_waiting => format!(
            "no configuration has come yet: the control plane {at} may know no Dataplane of this name"
        ),
        None => "no configuration has come yet".to_owned(),
        Some(lost) => format!("no configuration has come yet: {}", super::in_words(&lost, at)),
    };
    pages::ready((!runs).then_some(&why))
}

async fn status(State(state): State<AppState>) -> Response {
    let Link { connected, streams, generation, lost, is_waiting, control_plane, identifier } =
        state.link.borrow().clone();
    let Carried { generation: running, unbound } = state.carried.borrow().clone();
    let snapshot = state.proxy.counters();
    pages::body(&json!({
        "controlPlane": {
            "address": control_plane.trim_end_matches('/'),
            "connected": connected,
            "identifier": identifier,
            "streams": streams,
            "configurations": generation,
            "waiting": is_waiting,
            "error": lost.map(|lost| lost.to_string()),
        },
        "generation": running,
        "unbound": unbound,
        "connections": snapshot.active(),
        "clusters": health::clusters(&snapshot),
        "dataPath": data_path::report(&state.data_path),
        "pinnedWorkers": workers::report(&state.proxy),
        "spireAgent": state.agent.as_ref().map(agent::Shown::report),
    }))
}

async fn connections(State(state): State<AppState>) -> Response {
    pages::connections(state.data_path).await
}
