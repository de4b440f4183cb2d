//! Periodic export of the metrics that `/metrics` prints.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Queues;
use super::sender::SignalSender;
use crate::collector::Sender;
use crate::exposition::{Times, in_pieces, metrics, points};

/// Limit on points of one request: collectors accept 4 MiB at once.
const POINTS: usize = 2000;

/// Exports the printed metrics each `interval`, and once more when the process shuts down. Rejected ones are not sent
/// again: the next totals make up for it.
pub(super) async fn tell(
    interval: Duration,
    told: Arc<Queues>,
    sender: Arc<Sender>,
    mut signal_sender: SignalSender,
    stop: CancellationToken,
) {
    let mut beat = interval_at(Instant::now() + interval, interval);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => {}
        }
        let is_last = stop.is_cancelled();
        if let Some(print) = told.print.get() {
            let times = Times { since: told.since, now: Timestamp::now() };
            let mut goes_on = true;
            for piece in in_pieces(metrics(&print(), times), POINTS) {
                let number = piece.iter().map(points).sum::<usize>() as u64;
                if goes_on {
                    goes_on = signal_sender.tell_once(&sender.metrics(piece), number).await;
                } else {
                    signal_sender.dropped(number);
                }
            }
        }
        if is_last {
            return;
        }
    }
}
