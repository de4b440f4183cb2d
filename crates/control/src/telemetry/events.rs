//! Stream of traffic pages, once a second.

use std::convert::Infallible;
use std::time::Duration;

use change::traffic::TrafficQuestion;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;

use super::Telemetry;
use crate::door::Follower;

/// Interval between two events.
const BEAT: Duration = Duration::from_secs(1);

/// Source of changes that can be awaited.
pub trait ChangeSignal: Send + 'static {
    /// Waits until the configuration of a proxy, or its state, has changed since the last call.
    fn moved(&mut self) -> impl Future<Output = ()> + Send;
}

/// Returns server-sent events, until the receiver is dropped or another gets the place: `traffic` with the requested page, once a second, and
/// before it `moved` if something has changed.
pub fn follow(
    telemetry: Telemetry,
    question: TrafficQuestion,
    moves: impl ChangeSignal,
    place: Follower,
) -> ReceiverStream<Result<String, Infallible>> {
    let (sender, receiver) = channel(2);
    tokio::spawn(tell(telemetry, question, moves, sender, place));
    ReceiverStream::new(receiver)
}

async fn tell(
    telemetry: Telemetry,
    question: TrafficQuestion,
    mut moves: impl ChangeSignal,
    events: Sender<Result<String, Infallible>>,
    place: Follower,
) {
    let mut has_moved = false;
    loop {
        let moved = if std::mem::take(&mut has_moved) { "event: moved\ndata: {}\n\n" } else { "" };
        let page = json!(telemetry.page(&question));
        let event = Ok(format!("{moved}event: traffic\ndata: {page}\n\n"));
        let sent = tokio::select! {
            sent = events.send(event) => sent.is_ok(),
            () = place.ended() => false,
        };
        if !sent {
            return;
        }
        let next = Instant::now() + BEAT;
        loop {
            tokio::select! {
                () = events.closed() => return,
                () = place.ended() => return,
                () = sleep_until(next) => break,
                () = moves.moved(), if !has_moved => has_moved = true,
            }
        }
    }
}
