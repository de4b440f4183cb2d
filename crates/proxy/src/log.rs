//! The connection log: one line for each connection that finished or was refused, saying where it went and why.
//!
//! A worker writes lines into a buffer of its own and hands whole buffers to the thread of their sink through a bounded
//! queue. When a sink cannot keep up its lines are dropped and counted: neither the data path nor another sink ever waits.

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

use l4::config::Sink;

/// Where the proxy's own connection log goes, and what its lines look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLog {
    /// Where to.
    pub sink: Sink,
    /// What a line looks like.
    pub format: LineFormat,
}

/// Who else takes the lines of the connection log, as JSON, whatever else becomes of them. Cloning shares it.
#[derive(Clone)]
pub struct ConnectionLines(Arc<dyn Fn(Vec<u8>, u64) + Send + Sync>);

impl ConnectionLines {
    /// They are given to `take`, by any worker: whole lines, each with its line break, and how many they are. It must not wait.
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

/// What a line of the connection log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineFormat {
    /// `key=value` pairs in a fixed order.
    #[default]
    Text,
    /// One JSON object with the same keys in the same order.
    Json,
}
