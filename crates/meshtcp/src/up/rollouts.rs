//! Rollouts of the files that `up` follows, and requests to them by hand.
//!
//! ```text
//!  files ──▶ ControlLoop ──▶ Current ──▶ control::rollouts ──▶ StatusFile (--state) ──▶ ControlLoop
//!  meshtcp rollout ⇢ admin server: GET; the socket of this user: PUT ────────────┘
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Json, Router};
use change::Entry;
use change::ramp::RampRequest;
use control::api::universal;
use control::door::{OurUser, serve_own_pages};
use control::guard::task_again;
use control::replicas::Others;
use control::rollouts::{RolloutObserver, StatusStore, keep};
use control::run::{Current, WakeEvent};
use control::sources::StatusFile;
use control::telemetry::Telemetry;
use model::{Kind, ResourceKey};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::api_socket::ApiSocket;
use crate::output::complain;
use crate::pages;

/// Name of the socket in messages.
const SOCKET: &str = "the socket for rollouts";
/// Maximum number of attempts to write a request despite concurrent changes.
const ATTEMPTS: usize = 5;

/// Rollouts according to the files, and their statuses.
#[derive(Clone)]
pub(super) struct AppState {
    current: watch::Receiver<Arc<Current>>,
    /// File of the statuses; `None`: rollouts are not run here.
    statuses: Option<StatusFile>,
}

/// Running rollouts, until stopped.
pub(super) struct Running {
    statuses: StatusFile,
    tasks: [AbortHandle; 2],
}

impl Running {
    /// Runs rollouts as soon as no other process does, and wakes the loop by `events`. With an `admin` server, commands
    /// of this user find their socket by its address.
    pub(super) fn start<Why: Send + 'static>(
        runtime: &Handle,
        statuses: StatusFile,
        current: watch::Receiver<Arc<Current>>,
        telemetry: Telemetry,
        admin: Option<SocketAddr>,
        events: Sender<WakeEvent<Why>>,
    ) -> Self {
        let mut changes = statuses.changes();
        let wakes = runtime.spawn(async move {
            while changes.changed().await.is_ok() && events.send(WakeEvent::Look).is_ok() {}
        });
        let kept = statuses.clone();
        let work = runtime.spawn(async move {
            if let Err(why) = kept.acquire().await {
                return complain(&format!("warning: rollouts are not run: {why}\n"));
            }
            let state = AppState { current: current.clone(), statuses: Some(kept.clone()) };
            let _socket = admin.and_then(|admin| listen(admin, state));
            let observer = Arc::new(RolloutObserver::new(current, telemetry, Arc::default()));
            // no other process shares the files' statuses
            let others = watch::Sender::new(Others::default());
            let run = || keep(StatusStore::Beside(kept.clone()), Arc::clone(&observer), others.subscribe());
            task_again("rollouts", run).await;
        });
        Self { statuses, tasks: [wakes, work].map(|task| task.abort_handle()) }
    }

    /// Stops running them, so that another process can.
    pub(super) fn stop(self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.statuses.release();
    }
}

/// Socket for commands of this user, served until it is dropped.
struct Socket {
    _file: ApiSocket,
    task: AbortHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Creates the socket; `None`: that failed, and rollouts run without requests by hand.
fn listen(admin: SocketAddr, state: AppState) -> Option<Socket> {
    let listening = ApiSocket::listen("http", admin).and_then(|(file, listener)| {
        let listener = UnixListener::from_std(listener).map_err(|error| error.to_string())?;
        let task = tokio::spawn(serve_own_pages(listener, routes(state), SOCKET)).abort_handle();
        Ok(Socket { _file: file, task })
    });
    let told = |why: String| {
        let help = "name a folder of this user alone in MESHTCP_RUNTIME_DIR, for commands too";
        complain(&format!(
            "warning: `meshtcp rollout pause` and the like do not reach this process: {why}\n  help: {help}\n"
        ));
    };
    listening.map_err(told).ok()
}

impl AppState {
    /// Creates it from the state in force and the file of statuses; `None`: rollouts are not run here.
    pub(super) fn new(current: watch::Receiver<Arc<Current>>, statuses: Option<StatusFile>) -> Self {
        Self { current, statuses }
    }

    /// Rollouts of a mesh.
    fn of_mesh(&self, mesh: &str) -> Vec<Arc<Entry>> {
        let current = self.current.borrow();
        let entries = current.adopted.iter().flat_map(|(ledger, _)| ledger.entries());
        let wanted =
            entries.filter(|(key, _)| key.kind == Kind::MeshTCPRollout && key.mesh_or_empty() == mesh);
        wanted.map(|(_, entry)| Arc::clone(entry)).collect()
    }

    fn find(&self, mesh: &str, name: &str) -> Option<Arc<Entry>> {
        self.of_mesh(mesh).into_iter().find(|entry| entry.resource.meta().name.as_str() == name)
    }
}

/// Routes for `meshtcp rollout`.
pub(super) fn routes(state: AppState) -> Router {
    Router::new()
        .route("/meshes/{mesh}/meshtcprollouts", get(list))
        .route("/meshes/{mesh}/meshtcprollouts/{name}", get(one).put(ask))
        .route("/meshes/{mesh}/{kind}", any(elsewhere))
        .route("/meshes/{mesh}/{kind}/{name}", any(elsewhere))
        .route("/_preview", any(elsewhere))
        .with_state(state)
}

async fn list(State(state): State<AppState>, Path(mesh): Path<String>) -> Response {
    let items: Vec<Value> = state.of_mesh(&mesh).iter().map(|entry| universal(entry)).collect();
    pages::body(&json!({ "total": items.len(), "items": items, "next": null }))
}

async fn one(State(state): State<AppState>, Path((mesh, name)): Path<(String, String)>) -> Response {
    match state.find(&mesh, &name) {
        Some(entry) => pages::body(&universal(&entry)),
        None => absent(&mesh, &name),
    }
}

/// Reads a request to a rollout from its document: everything else is determined by the file.
async fn ask(
    State(state): State<AppState>,
    user: Option<Extension<OurUser>>,
    Path((mesh, name)): Path<(String, String)>,
    Json(document): Json<Value>,
) -> Response {
    let Some(statuses) = state.statuses.clone() else {
        let why = "rollouts are not run here: start `meshtcp up` with --state FILE";
        return no(StatusCode::METHOD_NOT_ALLOWED, "Could not process a resource", why);
    };
    if user.is_none() {
        let why = "whoever reaches the admin server may look; only the user of this process may change something, by its socket";
        return no(StatusCode::FORBIDDEN, "Access Denied", why);
    }
    let key = state.find(&mesh, &name).map(|entry| entry.resource.key());
    let (key, asked) = match (key, RampRequest::deserialize(&document["status"]["asked"])) {
        (Some(key), Ok(asked)) => (key, asked),
        (None, Ok(_)) => return absent(&mesh, &name),
        (_, Err(_)) => return elsewhere().await,
    };
    match write(statuses, key, asked).await {
        Ok(true) => pages::body(&json!({})),
        Ok(false) => {
            no(StatusCode::CONFLICT, "Could not process a resource", "others change it at the same time")
        }
        Err(why) => no(StatusCode::INTERNAL_SERVER_ERROR, "Could not process a resource", &why),
    }
}

/// Writes a request down. Returns `false` if concurrent changes came first in every attempt.
async fn write(statuses: StatusFile, key: ResourceKey, asked: RampRequest) -> Result<bool, String> {
    let write = move || {
        for _ in 0..ATTEMPTS {
            let before = statuses.get(&key);
            let mut after = before.clone();
            after["asked"] = json!(asked);
            if statuses.put(&key, &before, after)? {
                return Ok(true);
            }
        }
        Ok::<_, std::io::Error>(false)
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
    written.map_err(|error| error.to_string())
}

async fn elsewhere() -> Response {
    let why = "`meshtcp up` follows files, and runs the rollouts that they say: write it into one of them";
    no(StatusCode::METHOD_NOT_ALLOWED, "Could not process a resource", why)
}

fn absent(mesh: &str, name: &str) -> Response {
    let why = format!("no file has a MeshTCPRollout {mesh}/{name}");
    no(StatusCode::NOT_FOUND, "Could not retrieve a resource", &why)
}

fn no(status: StatusCode, title: &str, detail: &str) -> Response {
    (status, pages::body(&json!({ "title": title, "detail": detail }))).into_response()
}
