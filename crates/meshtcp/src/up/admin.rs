//! Admin server: the running configuration, for programs and for people with `curl`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use control::telemetry::Telemetry;
use control::web::KnownAs;
use otlp::Exporter;
use plan::ProxyId;
use prometheus_client::registry::Registry;
use proxy::Proxy;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::metrics::Metrics;
use super::{Status, page, rollouts};
use crate::data_path::{self, DataPath};
use crate::health;
use crate::pages;
use crate::panics::Panics;
use crate::process::Process;
use crate::report::plain;
use crate::streams::Dropped;
use crate::takeover::Seat;
use crate::workers;

#[derive(Clone)]
struct AppState {
    status: Arc<Status>,
    proxy: Arc<Proxy>,
    data_path: Arc<DataPath>,
    registry: Arc<Registry>,
}

/// All metrics of the process.
pub(super) fn registry(
    status: &Arc<Status>,
    (proxy, data_path): (&Proxy, &Arc<DataPath>),
    exporter: &Exporter,
) -> Registry {
    let mut registry = Registry::default();
    proxy.register(&mut registry);
    registry.register_collector(Box::new(Metrics::new(Arc::clone(status))));
    registry.register_collector(Box::new(data_path::Metrics::new(Arc::clone(data_path))));
    registry.register_collector(Box::new(Process::running("up")));
    registry.register_collector(Box::new(Panics::new("meshtcp_")));
    registry.register_collector(Box::new(Dropped::new("meshtcp_")));
    registry.register_collector(Box::new(exporter.counts().called("meshtcp_")));
    registry
}

/// Serves until the process ends, or another process takes over.
pub(super) async fn serve(
    (listener, seat): (TcpListener, Seat),
    status: Arc<Status>,
    (proxy, data_path): (Arc<Proxy>, Arc<DataPath>),
    (telemetry, rollouts): (Telemetry, rollouts::AppState),
    (known_as, registry): (KnownAs, Arc<Registry>),
) {
    let asked = page::serve(&status, &data_path, telemetry);
    let state = AppState { status, proxy, data_path, registry };
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/healthy", get(async || "healthy\n"))
        .route("/plan", get(plan))
        .route("/status", get(status_page))
        .route("/connections", get(connections))
        .merge(control::page::routes())
        .with_state(state)
        .merge(asked)
        .merge(rollouts::routes(rollouts));
    seat.serve(listener, router, known_as).await;
}

async fn index() -> &'static str {
    "/metrics      Prometheus metrics\n\
     /ready        200 when connections may be sent here, else 503 and why not\n\
     /healthy      200 as long as the process works\n\
     /plan         what every proxy must do, as JSON; ?proxy=MESH/NAME for one\n\
     /status       files, problems, listeners and the health of endpoints, as JSON\n\
     /connections  every open connection, as JSON\n\
     /_traffic     what connections do, as JSON; ?by=proxy, ?route=, ?sort=busiest and others\n\
     /meshes/MESH/meshtcprollouts  the rollouts, and where they stand, as JSON\n\
     /gui          all of this as a page\n"
}

async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    pages::metrics(&state.registry, &headers)
}

async fn ready(State(state): State<AppState>) -> Response {
    pages::ready(state.status.unready())
}

#[derive(serde::Deserialize)]
struct Wanted {
    proxy: Option<String>,
}

async fn plan(State(state): State<AppState>, Query(Wanted { proxy }): Query<Wanted>) -> Response {
    let report = state.status.report();
    let paths = |key: &ProxyId, tree: &mut Value| {
        tree["paths"] = data_path::paths_of(&state.data_path, &key.to_string());
    };
    let Some(wanted) = proxy else {
        let plans = report.plans();
        let plans = plans.iter().map(|(key, plan)| {
            let mut tree = pages::in_list(plan);
            paths(key, &mut tree);
            tree
        });
        let plans: Vec<Value> = plans.collect();
        return pages::body(&json!({ "generation": report.generation, "plans": plans }));
    };
    pages::plan(&report.plans(), &wanted, paths)
}

async fn status_page(State(state): State<AppState>) -> Response {
    let report = state.status.report();
    let snapshot = state.proxy.counters();
    pages::body(&json!({
        "ready": state.status.unready().is_none(),
        "unready": state.status.unready(),
        "generation": report.generation,
        "changes": report.changes,
        "files": pages::files(&report.files),
        "problems": plain(&report.problems),
        "unbound": report.failed,
        "listeners": report.rows,
        "connections": snapshot.active(),
        "clusters": health::clusters(&snapshot),
        "dataPath": data_path::report(&state.data_path),
        "pinnedWorkers": workers::report(&state.proxy),
    }))
}

async fn connections(State(state): State<AppState>) -> Response {
    pages::connections(state.data_path).await
}
