//! A worker's lines, until the writer takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError};

use l4::config::Sink;

use super::ConnectionLog;
use super::access::Format;
use super::record::Record;
use super::writer::Batch;

/// Lines go to the writer when they are as many bytes as this, or when [`LogBuffer::flush`] says so.
const BATCH_BYTES: usize = 32 << 10;

/// Where a listener's lines go: a sink of this worker, and a format.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    sink: usize,
    format: Format,
}

/// The lines that one worker wrote.
pub(crate) struct LogBuffer {
    sinks: Vec<Pending>,
    own: Option<Output>,
    writer: SyncSender<Batch>,
    dropped: Arc<AtomicU64>,
}

struct Pending {
    sink: Arc<Sink>,
    bytes: Vec<u8>,
    lines: u64,
}

impl LogBuffer {
    pub(crate) fn new(
        log: Option<&ConnectionLog>,
        writer: SyncSender<Batch>,
        dropped: Arc<AtomicU64>,
    ) -> Self {
        let mut buffer = Self { sinks: Vec::new(), own: None, writer, dropped };
        buffer.own = log.map(|log| buffer.output(&log.sink, Format::Own(log.format)));
        buffer
    }

    /// Prepares a way for lines.
    pub(crate) fn output(&mut self, sink: &Sink, format: Format) -> Output {
        let known = self.sinks.iter().position(|pending| *pending.sink == *sink);
        let sink = known.unwrap_or_else(|| {
            self.sinks.push(Pending { sink: Arc::new(sink.clone()), bytes: Vec::new(), lines: 0 });
            self.sinks.len() - 1
        });
        Output { sink, format }
    }

    /// Whether a record would be written at all.
    pub(crate) fn wants(&self, outputs: &[Output]) -> bool {
        self.own.is_some() || !outputs.is_empty()
    }

    /// Writes a line to the proxy's own log and to each of the outputs.
    pub(crate) fn write(&mut self, record: &Record<'_>, outputs: &[Output]) {
        for output in self.own.iter().chain(outputs) {
            let Some(pending) = self.sinks.get_mut(output.sink) else { continue };
            output.format.write(record, &mut pending.bytes);
            pending.lines += 1;
            if pending.bytes.len() >= BATCH_BYTES {
                pending.send(&self.writer, &self.dropped);
            }
        }
    }

    /// Whether lines wait for [`LogBuffer::flush`].
    pub(crate) fn is_pending(&self) -> bool {
        self.sinks.iter().any(|pending| pending.lines > 0)
    }

    /// Hands all lines to the writer.
    pub(crate) fn flush(&mut self) {
        for pending in &mut self.sinks {
            if pending.lines > 0 {
                pending.send(&self.writer, &self.dropped);
            }
        }
    }
}

impl Pending {
    fn send(&mut self, writer: &SyncSender<Batch>, dropped: &AtomicU64) {
        let lines = std::mem::take(&mut self.lines);
        let room = Vec::with_capacity(self.bytes.len());
        let batch =
            Batch { sink: Arc::clone(&self.sink), bytes: std::mem::replace(&mut self.bytes, room), lines };
        match writer.try_send(batch) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                dropped.fetch_add(lines, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_writer_that_cannot_keep_up_costs_lines_and_no_time() {
        let (writer, _batches) = mpsc::sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut pending = Pending { sink: Arc::new(Sink::Stdout), bytes: Vec::new(), lines: 0 };
        for _ in 0..3 {
            pending.bytes.extend_from_slice(b"line\n");
            pending.lines += 1;
            pending.send(&writer, &dropped);
        }
        assert_eq!((dropped.load(Relaxed), pending.lines, pending.bytes.len()), (2, 0, 0));
    }
}
