//! Jobs: work that only one of the processes on a store does.

use tokio::sync::watch;

/// Runs a job while this process leads, according to [`Store::leads`](crate::store::Store::leads): waits until then,
/// and starts again when it regains the lead. Ends when the job does, or when nobody leads any more.
///
/// A process that loses the lead may learn so late: what a job writes must be right even if another process does the
/// same.
pub async fn once<F: Future<Output = ()>>(mut leads: watch::Receiver<bool>, mut job: impl FnMut() -> F) {
    loop {
        if leads.wait_for(|leads| *leads).await.is_err() {
            return;
        }
        tokio::select! {
            () = job() => return,
            lost = leads.wait_for(|leads| !*leads) => {
                if lost.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::{Notify, watch};

    use super::*;

    #[tokio::test]
    async fn a_job_is_done_by_who_leads_and_begun_anew_by_who_leads_again() {
        let (lead, leads) = watch::channel(false);
        let (begun, may_end) = (Cell::new(0), Notify::new());
        let job = once(leads, || async {
            begun.set(begun.get() + 1);
            may_end.notified().await;
        });
        let led = async {
            let settle = || async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            };
            settle().await;
            assert_eq!(begun.get(), 0, "nobody leads");
            lead.send_replace(true);
            settle().await;
            lead.send_replace(false);
            settle().await;
            assert_eq!(begun.get(), 1);
            lead.send_replace(true);
            settle().await;
            assert_eq!(begun.get(), 2);
            may_end.notify_one();
        };
        tokio::join!(job, led);
    }
}
