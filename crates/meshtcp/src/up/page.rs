//! API of the page: state of every proxy and route, traffic of connections, and reasons for their destinations.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use change::Revision;
use change::compile::Compiled;
use change::paths::ReportedPaths;
use change::replica::{AttachedProxy, Replica};
use change::report::{Question, ReportInput, Subject, report};
use change::status::{Connection, ProxyStatus, StreamKind};
use change::story::Story;
use control::telemetry::Telemetry;
use jiff::Timestamp;
use l4::ProxyName;
use serde_json::{Value, json};
use xds::{Family, Version};

use super::Status;
use super::status::Report;
use crate::data_path::{self, DataPath};
use crate::traffic;
use crate::{host, pages};

/// Name of this process as an instance.
const SELF: &str = "up";

#[derive(Clone)]
struct AppState {
    status: Arc<Status>,
    data_path: Arc<DataPath>,
    started: Timestamp,
}

/// Router for the requests of the page.
pub(super) fn serve(status: &Arc<Status>, data_path: &Arc<DataPath>, telemetry: Telemetry) -> Router {
    let counted = traffic::serve(telemetry, status.changes());
    let (status, data_path) = (Arc::clone(status), Arc::clone(data_path));
    let state = AppState { status, data_path, started: Timestamp::now() };
    Router::new()
        .route("/_session", get(session))
        .route("/_status", get(fleet))
        .route("/_story", post(story))
        .with_state(state)
        .merge(counted)
}

async fn session(State(state): State<AppState>) -> Response {
    let compiled = state.status.report().compiled.clone();
    pages::body(&json!({
        "product": "meshtcp up",
        "version": env!("CARGO_PKG_VERSION"),
        "instance": host::name(),
        "profile": compiled.map(|compiled| compiled.snapshot.profile().as_str()),
        "name": "whoever reaches this address",
        "role": "reader",
        "readOnly": true,
        "offers": ["connections"],
    }))
}

#[derive(serde::Deserialize)]
struct Asked {
    what: Option<String>,
    mesh: Option<String>,
    name: Option<String>,
    offset: Option<usize>,
    size: Option<usize>,
}

async fn fleet(State(state): State<AppState>, Query(asked): Query<Asked>) -> Response {
    let Asked { what, mesh, name, offset, size } = asked;
    let subject = match what.as_deref() {
        Some("routes") => Some(Subject::Routes),
        Some("proxies") => Some(Subject::Proxies),
        Some(_) | None => None,
    };
    let most = size.unwrap_or(1_000).min(1_000);
    let question = Question { subject, mesh, name, offset: offset.unwrap_or(0), size: most };
    let current = state.status.report();
    let Some(compiled) = current.compiled.as_deref() else {
        let why = json!({ "detail": "nothing runs yet: what is wrong with the files is on /status" });
        return (StatusCode::SERVICE_UNAVAILABLE, pages::body(&why)).into_response();
    };
    let own = own(&current, compiled, state.started, data_path::reported(&state.data_path));
    let facts = ReportInput { own, others: &[], others_unknown: None, rollout: None, compiled };
    pages::body(&json!(report(&question, &facts)))
}

/// Proxies of this process as those of a control plane: they apply their configuration at once.
fn own(
    current: &Report,
    compiled: &Compiled,
    started: Timestamp,
    mut paths: BTreeMap<ProxyName, ReportedPaths>,
) -> Replica {
    let revision = Revision::new(current.generation);
    let version = Version::of(&current.generation.to_be_bytes());
    let connection = Connection {
        since: started,
        protocol: StreamKind::Delta,
        dialect: Family::L4,
        peer: None,
        agent: format!("meshtcp {}", env!("CARGO_PKG_VERSION")),
        kuma_dp: None,
        metadata: None,
    };
    let account = AttachedProxy {
        status: ProxyStatus {
            connection: Some(connection),
            streams: 1,
            published: Some(version),
            accepted: Some(version),
            ..ProxyStatus::default()
        },
        revision: Some(revision),
        is_current: true,
        ran: Some(revision),
        notes: current.failed.clone(),
    };
    let proxies = compiled.proxies.keys().map(|proxy| {
        let paths = paths.remove(&ProxyName::new(proxy.to_string())).map(Arc::new);
        let status = ProxyStatus { paths, ..account.status.clone() };
        (proxy.clone(), Arc::new(AttachedProxy { status, ..account.clone() }))
    });
    let proxies = proxies.collect();
    Replica { revision, proxies, ..Replica::new(SELF.into()) }
}

async fn story(State(state): State<AppState>, Json(body): Json<Value>) -> Response {
    let line = body["line"].as_str().unwrap_or_default().trim();
    let current = state.status.report();
    match current.compiled.as_deref().and_then(|compiled| Story::told(line, compiled)) {
        Some(told) => pages::body(&json!(told)),
        None => {
            let why =
                json!({ "detail": "the body has no line of a connection log: send `{\"line\": \"id=…\"}`" });
            (StatusCode::BAD_REQUEST, pages::body(&why)).into_response()
        }
    }
}
