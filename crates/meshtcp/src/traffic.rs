//! Traffic counters of the connections of this process, served by its admin server.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::door::{DescriptorShare, Followers};
use control::guard::task_again;
use control::telemetry::{ChangeSignal, InvalidQuestion, Reporter as Attached, Telemetry, follow, question};
use jiff::Timestamp;
use l4::ProxyName;
use l4::counts::CounterSnapshot;
use l4::traffic::ReportBuilder;
use proxy::Proxy;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::pages;

/// Interval at which counters are read.
const BEAT: Duration = Duration::from_secs(1);
/// Limit on concurrent followers of traffic.
const FOLLOWERS: usize = 32;

/// State shared by single requests and event streams.
struct AppState<T> {
    telemetry: Telemetry,
    changes: watch::Receiver<T>,
    followers: Followers,
}

// without a bound `T: Clone`
impl<T> Clone for AppState<T> {
    fn clone(&self) -> Self {
        Self {
            telemetry: self.telemetry.clone(),
            changes: self.changes.clone(),
            followers: self.followers.clone(),
        }
    }
}

/// Starts counting.
pub(crate) fn count(proxy: &Arc<Proxy>) -> Telemetry {
    let telemetry = Telemetry::default();
    let (counting, counted) = (telemetry.clone(), Arc::clone(proxy));
    tokio::spawn(async move {
        task_again("telemetry", || keep(counting.clone(), Arc::clone(&counted))).await;
    });
    telemetry
}

/// Routes `/_traffic` and its events, as of a control plane. `changes` moves when another state is in force.
pub(crate) fn serve<T: Send + Sync + 'static>(telemetry: Telemetry, changes: watch::Receiver<T>) -> Router {
    let followers = Followers::of(DescriptorShare::Admin, FOLLOWERS);
    Router::new()
        .route("/_traffic", get(once::<T>))
        .route("/_traffic/_events", get(events::<T>))
        .with_state(AppState { telemetry, changes, followers })
}

type Asked = Query<Vec<(String, String)>>;

/// Response to an invalid question.
fn refused(wrong: &InvalidQuestion) -> Response {
    (StatusCode::BAD_REQUEST, pages::body(&json!({ "detail": wrong.to_string() }))).into_response()
}

async fn once<T>(State(state): State<AppState<T>>, Query(query): Asked) -> Response {
    match question(&query) {
        Ok(question) => pages::body(&json!(state.telemetry.page(&question))),
        Err(wrong) => refused(&wrong),
    }
}

async fn events<T: Send + Sync + 'static>(
    State(AppState { telemetry, changes, followers }): State<AppState<T>>,
    Query(query): Asked,
) -> Response {
    match question(&query) {
        Ok(question) => {
            let Some(place) = followers.take() else {
                let detail = "as many follow what connections do as may: ask again later";
                let answer = pages::body(&json!({ "detail": detail }));
                return (StatusCode::SERVICE_UNAVAILABLE, answer).into_response();
            };
            let events = follow(telemetry, question, Changes(changes), place);
            ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
        }
        Err(wrong) => refused(&wrong),
    }
}

/// Source that moves whenever another state is in force.
struct Changes<T>(watch::Receiver<T>);

impl<T: Send + Sync + 'static> ChangeSignal for Changes<T> {
    async fn moved(&mut self) {
        if self.0.changed().await.is_err() {
            // the process is leaving
            pending().await
        }
    }
}

/// Passes on the counters of the proxies of this process, once a second, until it is dropped: in the same reports that
/// a proxy sends to a control plane.
async fn keep(telemetry: Telemetry, proxy: Arc<Proxy>) {
    let started = Timestamp::now();
    let mut reporters: BTreeMap<ProxyName, (Attached, ReportBuilder)> = BTreeMap::new();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let mut counted = proxy.counters();
        let mut listeners: BTreeMap<ProxyName, CounterSnapshot> = BTreeMap::new();
        for listener in std::mem::take(&mut counted.listeners) {
            listeners.entry(listener.proxy.clone()).or_default().listeners.push(listener);
        }
        reporters.retain(|name, _| listeners.contains_key(name));
        for (name, counted) in listeners {
            let Ok(id) = name.as_str().parse() else { continue };
            let (attached, reporter) =
                reporters.entry(name).or_insert_with(|| (telemetry.attach(id), ReportBuilder::new(started)));
            if let Some(report) = reporter.report(&counted, None)
                && let Err(why) = attached.take(report)
            {
                tracing::debug!(%why, "counts are not kept");
            }
        }
    }
}
