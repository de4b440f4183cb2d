//! Standard streams of a process that carries connections: writers never wait for readers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use l4::config::LogSink;

use super::lane::Lane;
use super::outlet::Outlet;
use super::whole::lines;

/// Limit on texts that wait to be written.
const WAITING: usize = 4096;

/// Standard output or standard error, written by a thread of its own. It shares the stream with logs that go there,
/// line by line.
pub struct StandardStream {
    lane: Lane,
    dropped: Arc<AtomicU64>,
}

impl StandardStream {
    /// Opens standard output.
    ///
    /// # Errors
    /// A thread is not available.
    pub fn output() -> io::Result<Self> {
        Self::start(LogSink::Stdout)
    }

    /// Opens standard error.
    ///
    /// # Errors
    /// A thread is not available.
    pub fn error() -> io::Result<Self> {
        Self::start(LogSink::Stderr)
    }

    fn start(sink: LogSink) -> io::Result<Self> {
        let dropped = Arc::<AtomicU64>::default();
        let lane = Lane::start(Outlet::new(sink), WAITING, Arc::clone(&dropped), ())?;
        Ok(Self { lane, dropped })
    }

    /// Writes lines asynchronously. If too many wait already, they are dropped and counted.
    pub fn write(&self, text: impl Into<Vec<u8>>) {
        let text = text.into();
        let lines = lines(&text);
        self.lane.send(text, lines);
    }

    /// Number of lines that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Waits until everything is written or given up, up to a limit.
    pub fn finish(&self, patience: Duration) {
        self.lane.finish(Instant::now() + patience);
    }
}
