//! Admin server: the configuration that each proxy runs, for programs and for people with `curl`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use change::report::Question;
use control::api::ApiMetrics;
use control::discovery::DiscoveryMetrics;
use control::web::KnownAs;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Shared;
use super::metrics::Metrics;
use crate::pages;
use crate::panics::Panics;
use crate::process::Process;
use crate::report::plain;
use crate::streams::Dropped;

#[derive(Clone)]
struct AppState {
    shared: Shared,
    registry: Arc<Registry>,
}

/// All metrics of the process.
pub(super) fn registry(shared: &Shared, discovery: &DiscoveryMetrics, api: &ApiMetrics) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process::running("control-plane")));
    let ours = registry.sub_registry_with_prefix("meshtcp");
    discovery.register(ours);
    api.register(ours);
    shared.compiling.register(ours);
    shared.storing.register(ours);
    shared.issuer.metrics().register(ours.sub_registry_with_prefix("identity"));
    ours.register_collector(Box::new(Metrics::new(shared.clone())));
    ours.register_collector(Box::new(Panics::new("")));
    ours.register_collector(Box::new(Dropped::new("")));
    ours.register_collector(Box::new(shared.exporter.counts().called("")));
    registry
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, shared: Shared, registry: Arc<Registry>, known_as: KnownAs) {
    let state = AppState { shared, registry };
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/healthy", get(async || "healthy\n"))
        .route("/status", get(status))
        .route("/plan", get(plan))
        .with_state(state);
    pages::serve(listener, router, known_as).await;
}

async fn index() -> &'static str {
    "/metrics  Prometheus metrics\n\
     /ready    200 when proxies are served, else 503 and why not\n\
     /healthy  200 as long as the process works\n\
     /status   proxies and routes, and what became of them, as JSON; 100 of each, or ?size=1000&offset=1000\n\
     /plan     what every proxy must do, as JSON; 100 of them, or ?size=1000&offset=1000; ?proxy=MESH/NAME for one\n"
}

async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let answer = tokio::task::spawn_blocking(move || pages::metrics(&state.registry, &headers)).await;
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn ready(State(state): State<AppState>) -> Response {
    let is_settled = state.shared.current().adopted.is_some();
    pages::ready((!is_settled).then_some("the resources were not read yet"))
}

async fn status(State(state): State<AppState>, Query(page): Query<Page>) -> Response {
    let tree = aside(move || {
        let AppState { shared, registry: _ } = state;
        let report = shared.plane.report(&page.question());
        let current = shared.current();
        let mut tree = serde_json::to_value(&report).unwrap_or_default();
        tree["files"] = pages::files(&current.parts).into();
        tree["problems"] = json!(plain(&current.problems));
        tree
    });
    pages::body(&tree.await)
}

/// Page of a longer list.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Page {
    offset: usize,
    /// Number of entries; `None`: 100.
    size: Option<usize>,
}

impl Page {
    /// Default number of entries.
    const SIZE: usize = 100;
    /// Maximum number of entries.
    const LARGEST: usize = 1000;

    fn size(&self) -> usize {
        self.size.unwrap_or(Self::SIZE).min(Self::LARGEST)
    }

    fn question(&self) -> Question {
        Question { offset: self.offset, size: self.size(), ..Question::EVERYTHING }
    }
}

#[derive(serde::Deserialize)]
struct Wanted {
    proxy: Option<String>,
}

async fn plan(
    State(state): State<AppState>,
    Query(Wanted { proxy }): Query<Wanted>,
    Query(page): Query<Page>,
) -> Response {
    let compiled = Arc::clone(&state.shared.standing().compiled);
    let Some(wanted) = proxy else {
        let tree = aside(move || {
            let shown = compiled.proxies.values().skip(page.offset).take(page.size());
            let plans: Vec<Value> = shown.map(|found| pages::in_list(&found.plan)).collect();
            json!({ "total": compiled.proxies.len(), "offset": page.offset, "plans": plans })
        });
        return pages::body(&tree.await);
    };
    let plans = compiled.proxies.iter().map(|(key, found)| (key.clone(), Arc::clone(&found.plan)));
    pages::plan(&plans.collect(), &wanted, |_, _| {})
}

/// Runs blocking work on a thread of its own.
async fn aside<T: Default + Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}
