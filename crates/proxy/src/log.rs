//! Connection log: one line for each connection that finished or was refused, with its destination and the reason.
//!
//! A worker writes lines into a buffer of its own and hands whole buffers to the thread of their sink through a
//! bounded queue. If a sink cannot keep up its lines are dropped and counted: neither the data path nor another
//! sink ever waits.

mod access;
mod buffer;
mod digits;
mod lane;
mod line;
mod outlet;
mod record;
mod standard;
mod whole;

pub(crate) use access::Format;
pub(crate) use buffer::{LogBuffer, Output};
pub(crate) use lane::Lanes;
pub(crate) use record::{Mirrored, Record};
pub use standard::StandardStream;

use std::fmt;
use std::sync::Arc;

use l4::config::LogSink;

/// Sink and format of the proxy's own connection log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLog {
    /// Sink of the lines.
    pub sink: LogSink,
    /// Format of a line.
    pub format: LineFormat,
}

/// Additional consumer of the connection log's lines, as JSON, independent of other sinks. Cloning shares it.
#[derive(Clone)]
pub struct ConnectionLines(Arc<dyn Fn(Vec<u8>, u64) + Send + Sync>);

impl ConnectionLines {
    /// Passes them to `take`, called by any worker: whole lines, each with its line break, and their number. It
    /// must not block.
    pub fn to(take: Arc<dyn Fn(Vec<u8>, u64) + Send + Sync>) -> Self {
        Self(take)
    }

    fn take(&self, bytes: Vec<u8>, lines: u64) {
        (self.0)(bytes, lines);
    }
}

impl fmt::Debug for ConnectionLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLines").finish_non_exhaustive()
    }
}

/// Format of a line of the connection log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineFormat {
    /// Text: `key=value` pairs in a fixed order.
    #[default]
    Text,
    /// JSON: one object with the same keys in the same order.
    Json,
}
