//! Sending of one signal, with retries and counters.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::collector::{Collector, Failure, Refused, Request};
use crate::counts::ExportCounts;
use crate::signal::Signal;

/// Limit on tries of one request.
const TRIES: u32 = 5;
/// Pause before the second try; it doubles before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Limit on a pause, whatever a collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sender of one signal.
pub(super) struct SignalSender {
    signal: Signal,
    collector: Collector,
    counts: ExportCounts,
    stop: CancellationToken,
    /// `true`: the rejection by the collector was already reported.
    is_told_off: bool,
}

impl SignalSender {
    pub(super) fn new(
        signal: Signal,
        collector: Collector,
        counts: ExportCounts,
        stop: CancellationToken,
    ) -> Self {
        Self { signal, collector, counts, stop, is_told_off: false }
    }

    /// Sends a request of `number` items, with retries, until it is accepted or given up.
    pub(super) async fn tell_again(&mut self, request: &impl Request, number: u64) {
        let mut pause = FIRST_PAUSE;
        for tried in 1..=TRIES {
            let later = match self.collector.tell(request).await {
                Ok(refused) => return self.taken(number, refused),
                Err(Failure::Later { why, after }) => {
                    self.failed(&why);
                    Some(after.unwrap_or(pause).min(LONGEST_PAUSE))
                }
                Err(Failure::Never { why }) => {
                    self.failed(&why);
                    None
                }
            };
            let Some(wait) = later.filter(|_| tried < TRIES && !self.stop.is_cancelled()) else { break };
            tokio::select! {
                // jitter: exporters that were rejected at once do not come back at once
                () = sleep(wait.mul_f64(0.8 + 0.4 * fastrand::f64())) => {}
                () = self.stop.cancelled() => {}
            }
            pause *= 2;
        }
        self.dropped(number);
    }

    /// Sends a request once. Returns `true` if it was accepted.
    pub(super) async fn tell_once(&mut self, request: &impl Request, number: u64) -> bool {
        match self.collector.tell(request).await {
            Ok(refused) => {
                self.taken(number, refused);
                true
            }
            Err(Failure::Later { why, .. } | Failure::Never { why }) => {
                self.failed(&why);
                self.dropped(number);
                false
            }
        }
    }

    pub(super) fn dropped(&self, number: u64) {
        self.counts.dropped(self.signal, number);
    }

    fn taken(&mut self, number: u64, Refused { number: refused, why }: Refused) {
        let refused = refused.min(number);
        self.counts.exported(self.signal, number - refused);
        if refused > 0 {
            self.dropped(refused);
            tracing::warn!(signal = %self.signal, refused, why, "the OpenTelemetry collector refused a part");
        }
        if std::mem::take(&mut self.is_told_off) {
            tracing::info!(signal = %self.signal, "the OpenTelemetry collector takes it again");
        }
    }

    fn failed(&mut self, why: &str) {
        self.counts.failed(self.signal);
        if !std::mem::replace(&mut self.is_told_off, true) {
            let signal = self.signal;
            tracing::warn!(%signal, why, "the OpenTelemetry collector does not take it; trying again");
        }
    }
}
