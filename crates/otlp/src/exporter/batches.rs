//! Export of spans and log records, in batches.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use super::sender::SignalSender;
use crate::collector::Request;
use crate::settings::Batches;

/// Exports the items of a queue, until it is complete and everything was exported.
pub(super) async fn tell<T, R: Request>(
    queue: &Queue<T>,
    Batches { delay, .. }: Batches,
    mut signal_sender: SignalSender,
    request: impl Fn(Vec<T>) -> R,
    complete: CancellationToken,
) {
    loop {
        tokio::select! {
            () = queue.is_full() => {}
            () = sleep(delay) => {}
            () = complete.cancelled() => {}
        }
        let is_last = complete.is_cancelled();
        loop {
            let some = queue.take();
            if some.is_empty() {
                break;
            }
            let number = some.len() as u64;
            signal_sender.tell_again(&request(some), number).await;
        }
        if is_last {
            return;
        }
    }
}
