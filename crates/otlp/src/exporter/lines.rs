//! Parsing of lines of the connection log into log records and spans.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::Queues;
use crate::connection::Connection;
use crate::signal::Signal;

/// Parses lines until the process shuts down, and then those that are left.
pub(super) async fn read(
    mut received: Receiver<(Vec<u8>, u64)>,
    told: Arc<Queues>,
    stop: CancellationToken,
    complete: CancellationToken,
) {
    let mut leaves = false;
    loop {
        tokio::select! {
            lines = received.recv() => {
                let Some((lines, _)) = lines else { break };
                lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| told.line(line));
                // lets other tasks of this thread run
                tokio::task::yield_now().await;
            }
            () = stop.cancelled(), if !leaves => {
                leaves = true;
                received.close();
            }
        }
    }
    complete.cancel();
}

impl Queues {
    fn line(&self, line: &[u8]) {
        let traced = self.trace();
        if self.records.is_none() && traced.is_none() {
            return;
        }
        let Some(connection) = Connection::read(line) else { return };
        if let Some(records) = &self.records {
            self.push(records, connection.record(traced.map(|(id, _)| id)), Signal::Logs);
        }
        if let Some((id, spans)) = traced {
            self.push(spans, connection.span(id), Signal::Traces);
        }
    }
}
