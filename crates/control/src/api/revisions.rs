//! Whether a change is live: how every proxy and route is, and a stream of events until a revision has arrived.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use change::rollout::Rollout;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_stream::wrappers::ReceiverStream;

use super::Desk;
use super::answer::Answer;
use super::ask::Ask;
use super::operation::{Body, Operation, Outcome, Query, Sort};
use super::refusal::Refusal;

use crate::store::Revision;

/// How many lagging proxies are named; the numbers count all.
const NAMED: usize = 100;
/// At least this long between two events: a burst of answers is one.
const PACE: Duration = Duration::from_millis(50);
/// The same is said again after this long, so that those in between do not take the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a stream goes on when the caller does not say.
const WAIT: u64 = 300;

const EVENTS: &[Query] = &[Query {
    name: "wait",
    about: "How many seconds to wait at most; 300 when absent",
    sort: Sort::Number { least: 0, most: Some(3600) },
}];

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    let events = Operation::get(
        "/_revisions/{revision}/_events",
        "Tells how far a revision has come, until it is live",
        "",
        |ask| Box::pin(events(ask)),
    );
    vec![
        Operation::get("/_status", "Says how every proxy and every route is", "Object", |ask| {
            Box::pin(status(ask))
        }),
        Operation::get("/_revisions", "Says how far the last revisions have come", "Revisions", |ask| {
            Box::pin(all(ask))
        }),
        Operation { good: vec![(200, Body::Events)], ..events }.query(EVENTS),
    ]
}

async fn status(ask: Ask) -> Outcome {
    let (standing, statuses) = (ask.desk().plane.standing(), ask.desk().plane.statuses());
    // it looks at every proxy and every route
    let work = move || serde_json::to_value(standing.report(&statuses));
    let tree = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::leaving())?;
    Ok(Answer::json(tree.map_err(|_| Refusal::leaving())?))
}

/// The newest first.
async fn all(ask: Ask) -> Outcome {
    let standing = ask.desk().plane.standing();
    let shown: Vec<Value> = standing.rollouts.all().rev().map(|rollout| shown(&rollout)).collect();
    Ok(Answer::json(json!({ "revisions": shown })))
}

fn shown(rollout: &Rollout) -> Value {
    let Rollout { accepted, concerned, live, lagging, refused, live_after } = rollout;
    json!({
        "revision": accepted.revision,
        "acceptedAt": accepted.at.to_string(),
        "concerned": concerned,
        "live": live,
        "laggingCount": lagging.len(),
        "refusedCount": refused.len(),
        "lagging": lagging.iter().take(NAMED).collect::<Vec<_>>(),
        "refused": refused,
        "liveAfter": live_after,
    })
}

/// Server-sent events: `waiting` until the revision is adopted, `rollout` whenever something moved, and one at the end:
/// `live` when every proxy runs it, `timeout` when the caller need not wait any longer.
async fn events(ask: Ask) -> Outcome {
    let text = ask.parameter("revision");
    let number: u64 =
        text.parse().map_err(|_| Refusal::bad(format!("`{text}` is no revision: it is a number")))?;
    let wait = match ask.asked("wait") {
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
    let (sender, receiver) = channel(4);
    tokio::spawn(follow(Arc::clone(&ask.api.desk), Revision::new(number), until, sender));
    Ok(Answer::events(Box::pin(ReceiverStream::new(receiver))))
}

/// Ends when the caller is gone, too.
async fn follow(
    desk: Arc<Desk>,
    revision: Revision,
    until: Instant,
    events: Sender<Result<String, Infallible>>,
) {
    let mut changes = desk.plane.changes();
    loop {
        let found = changes.borrow_and_update().rollout(revision);
        let is_live = found.as_ref().is_some_and(Rollout::is_done);
        let is_late = Instant::now() >= until;
        let name = match &found {
            Some(_) if is_live => "live",
            _ if is_late => "timeout",
            Some(_) => "rollout",
            None => "waiting",
        };
        let data = found.as_ref().map_or_else(|| json!({ "revision": revision }), shown);
        let sent = events.send(Ok(format!("event: {name}\ndata: {data}\n\n"))).await;
        if sent.is_err() || is_live || is_late {
            return;
        }
        tokio::select! {
            () = events.closed() => return,
            _ = timeout_at(until.min(Instant::now() + HEARTBEAT), changes.changed()) => {}
        }
        sleep(PACE).await;
    }
}
