//! What `/metrics` prints, told from time to time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::Told;
use super::teller::Teller;
use crate::collector::Sender;
use crate::exposition::{Times, in_pieces, metrics, points};

/// How many points go with one request: collectors take 4 MiB at once.
const POINTS: usize = 2000;

/// Tells what is printed each `interval`, and once more when the process leaves. What was not taken is not told again: totals
/// make up for it the next time.
pub(super) async fn tell(
    interval: Duration,
    told: Arc<Told>,
    sender: Arc<Sender>,
    mut teller: Teller,
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
                    goes_on = teller.tell_once(&sender.metrics(piece), number).await;
                } else {
                    teller.dropped(number);
                }
            }
        }
        if is_last {
            return;
        }
    }
}
