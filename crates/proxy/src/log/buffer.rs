//! Log lines of a worker, until the writer takes them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use l4::config::LogSink;

use super::access::Format;
use super::lane::{Lane, Lanes};
use super::record::Record;
use super::{ConnectionLines, ConnectionLog, LineFormat};

/// Number of buffered bytes at which lines go to their sink, if not flushed earlier by [`LogBuffer::flush`].
const BATCH_BYTES: usize = 32 << 10;

/// Output of a listener's lines: a sink of this worker, and a format.
#[derive(Clone)]
pub(crate) struct Output {
    pending: Rc<RefCell<Pending>>,
    format: Format,
}

/// Lines that one worker wrote.
pub(crate) struct LogBuffer {
    sinks: Vec<Rc<RefCell<Pending>>>,
    /// Outputs of the proxy itself, independent of listeners.
    own: Vec<Output>,
    lanes: Arc<Lanes>,
}

struct Pending {
    to: LineSink,
    bytes: Vec<u8>,
    lines: u64,
}

/// Sink of lines, with its buffer.
enum LineSink {
    Sink(LogSink, Arc<Lane>),
    Taken(ConnectionLines),
}

impl LogBuffer {
    pub(crate) fn new(
        log: Option<&ConnectionLog>,
        taken: Option<&ConnectionLines>,
        lanes: Arc<Lanes>,
    ) -> Self {
        let mut buffer = Self { sinks: Vec::new(), own: Vec::new(), lanes };
        let own = log.map(|log| buffer.output(&log.sink, Format::Own(log.format)));
        let taken = taken.map(|taken| Output {
            pending: buffer.pending(LineSink::Taken(taken.clone())),
            format: Format::Own(LineFormat::Json),
        });
        buffer.own = own.into_iter().chain(taken).collect();
        buffer
    }

    /// Prepares an output. Sinks that no listener uses any more are forgotten.
    pub(crate) fn output(&mut self, sink: &LogSink, format: Format) -> Output {
        self.sinks.retain(|pending| Rc::strong_count(pending) > 1 || pending.borrow().lines > 0);
        let leads_there = |pending: &&Rc<RefCell<Pending>>| matches!(&pending.borrow().to, LineSink::Sink(known, _) if known == sink);
        let known = self.sinks.iter().find(leads_there).map(Rc::clone);
        let pending =
            known.unwrap_or_else(|| self.pending(LineSink::Sink(sink.clone(), self.lanes.to(sink))));
        Output { pending, format }
    }

    fn pending(&mut self, to: LineSink) -> Rc<RefCell<Pending>> {
        let pending = Rc::new(RefCell::new(Pending { to, bytes: Vec::new(), lines: 0 }));
        self.sinks.push(Rc::clone(&pending));
        pending
    }

    /// Returns `true` if a record would be written at all.
    pub(crate) fn wants(&self, outputs: &[Output]) -> bool {
        !self.own.is_empty() || !outputs.is_empty()
    }

    /// Writes a line to the proxy's own logs and to each of the outputs.
    pub(crate) fn write(&mut self, record: &Record<'_>, outputs: &[Output]) {
        for output in self.own.iter().chain(outputs) {
            let mut pending = output.pending.borrow_mut();
            output.format.write(record, &mut pending.bytes);
            pending.lines += 1;
            if pending.bytes.len() >= BATCH_BYTES {
                pending.send();
            }
        }
    }

    /// Returns `true` if lines wait for [`LogBuffer::flush`].
    pub(crate) fn is_pending(&self) -> bool {
        self.sinks.iter().any(|pending| pending.borrow().lines > 0)
    }

    /// Hands all lines to their sinks.
    pub(crate) fn flush(&mut self) {
        for pending in &self.sinks {
            let mut pending = pending.borrow_mut();
            if pending.lines > 0 {
                pending.send();
            }
        }
    }
}

impl Pending {
    fn send(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let room = Vec::with_capacity(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, room);
        match &self.to {
            LineSink::Sink(_, lane) => lane.send(bytes, lines),
            LineSink::Taken(taken) => taken.take(bytes, lines),
        }
    }
}
