//! Progress of changes: the state of every proxy and route, and a stream of events until a revision has arrived.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use change::report::{FleetReport, Question, Subject};
use change::rollout::Rollout;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_stream::wrappers::ReceiverStream;

use super::Inner;
use super::answer::Answer;
use super::operation::{Body, Operation, Outcome, ParameterType, Query, Schema};
use super::refusal::Refusal;
use super::request::ApiRequest;

use crate::door::Follower;
use crate::store::Revision;

/// Default page size, and limit, of proxies and routes.
const PAGE: usize = 1000;
/// Least time between two events: a burst of answers is one event.
const PACE: Duration = Duration::from_millis(50);
/// Interval at which an unchanged event is repeated, so that intermediaries do not take the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Default duration of a stream, in seconds.
const WAIT: u64 = 300;

const STATUS: &[Query] = &[
    Query {
        name: "what",
        about: "Only `proxies` or only `routes`; both when absent",
        sort: ParameterType::Text,
    },
    Query { name: "mesh", about: "Only of this mesh", sort: ParameterType::Text },
    Query {
        name: "name",
        about: "Only those whose name contains this, with the mesh in front",
        sort: ParameterType::Text,
    },
    Query {
        name: "offset",
        about: "The first proxy and the first route that are told; 0 when absent",
        sort: ParameterType::Number { least: 0, most: None },
    },
    Query {
        name: "size",
        about: "How many proxies and how many routes are told; 0: they are counted only; 1000 when absent",
        sort: ParameterType::Number { least: 0, most: Some(1000) },
    },
];

const EVENTS: &[Query] = &[Query {
    name: "wait",
    about: "How many seconds to wait at most; 300 when absent",
    sort: ParameterType::Number { least: 0, most: Some(3600) },
}];

/// Returns the operations.
pub(super) fn operations() -> Vec<Operation> {
    let events = Operation::get(
        "/_revisions/{revision}/_events",
        "Tells how far a revision has come, until it is live",
        "",
        |request| Box::pin(events(request)),
    );
    vec![
        Operation::get(
            "/_status",
            "Says how every proxy and every route is",
            Schema::of::<FleetReport>(),
            |request| Box::pin(status(request)),
        )
        .query(STATUS),
        Operation::get(
            "/_revisions",
            "Says how far the last revisions have come",
            Schema::of::<Revisions>(),
            |request| Box::pin(all(request)),
        ),
        Operation { good: vec![(200, Body::Events)], ..events }.query(EVENTS),
    ]
}

/// Answers with a page of the states of proxies and routes.
async fn status(request: ApiRequest) -> Outcome {
    let question = question(&request)?;
    let inner = Arc::clone(&request.api.inner);
    let Ok(_turn) = inner.looks.acquire().await else { return Err(Refusal::leaving()) };
    let asked = Arc::clone(&inner);
    let work = move || serde_json::to_value(asked.plane.report(&question));
    let tree = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::leaving())?;
    Ok(Answer::json(tree.map_err(|_| Refusal::leaving())?))
}

fn question(request: &ApiRequest) -> Result<Question, Refusal> {
    let wrong = |field, why| Refusal::field("Could not tell the status", "Invalid question", field, why);
    let subject = match request.asked("what") {
        None => None,
        Some("proxies") => Some(Subject::Proxies),
        Some("routes") => Some(Subject::Routes),
        Some(_) => return Err(wrong("what", "must be `proxies` or `routes`")),
    };
    let number = |name: &'static str, usual: usize, most: usize, why| match request.asked(name) {
        None => Ok(usual),
        Some(text) => text.parse().ok().filter(|it| *it <= most).ok_or_else(|| wrong(name, why)),
    };
    Ok(Question {
        subject,
        mesh: request.asked("mesh").map(str::to_owned),
        name: request.asked("name").map(str::to_owned),
        offset: number("offset", 0, usize::MAX, "must be a number")?,
        size: number("size", PAGE, PAGE, "must be a number up to 1000")?,
    })
}

/// Progress of the last revisions, the newest first.
#[derive(Serialize, JsonSchema)]
struct Revisions {
    revisions: Vec<Rollout>,
}

async fn all(request: ApiRequest) -> Outcome {
    Ok(Answer::json(json!(Revisions { revisions: request.api().plane.rollouts() })))
}

/// Answers with server-sent events: `waiting` until the revision is adopted, `rollout` whenever something changes, and
/// one at the end: `live` when every proxy runs it, `timeout` when the waiting time of the caller is over.
async fn events(request: ApiRequest) -> Outcome {
    let text = request.parameter("revision");
    let number: u64 =
        text.parse().map_err(|_| Refusal::bad(format!("`{text}` is no revision: it is a number")))?;
    let wait = match request.asked("wait") {
        None => WAIT,
        Some(text) => text.parse().ok().filter(|wait| *wait <= 3600).ok_or_else(|| {
            Refusal::field(
                "Could not follow a revision",
                "Invalid wait",
                "wait",
                "must be a number of seconds up to 3600",
            )
        })?,
    };
    let until = Instant::now() + Duration::from_secs(wait);
    let Some(place) = request.api().waiting.take() else {
        return Err(Refusal::busy("as many follow revisions as may: ask again later"));
    };
    let (sender, receiver) = channel(4);
    tokio::spawn(follow(Arc::clone(&request.api.inner), Revision::new(number), until, sender, place));
    Ok(Answer::events(Box::pin(ReceiverStream::new(receiver))))
}

/// Sends the events. Also ends when the caller disconnects, or another gets its place.
async fn follow(
    inner: Arc<Inner>,
    revision: Revision,
    until: Instant,
    events: Sender<Result<String, Infallible>>,
    place: Follower,
) {
    let mut plane = inner.plane.clone();
    loop {
        let found = plane.rollout(revision);
        let is_live = found.as_ref().is_some_and(Rollout::is_done);
        let is_late = Instant::now() >= until;
        let name = match &found {
            Some(_) if is_live => "live",
            _ if is_late => "timeout",
            Some(_) => "rollout",
            None => "waiting",
        };
        let data = found.as_ref().map_or_else(|| json!({ "revision": revision }), |found| json!(found));
        let event = Ok(format!("event: {name}\ndata: {data}\n\n"));
        let sent = tokio::select! {
            sent = events.send(event) => sent.is_ok(),
            () = place.ended() => false,
        };
        if !sent || is_live || is_late {
            return;
        }
        tokio::select! {
            () = events.closed() => return,
            () = place.ended() => return,
            _ = timeout_at(until.min(Instant::now() + HEARTBEAT), plane.moved()) => {}
        }
        sleep(PACE).await;
    }
}
