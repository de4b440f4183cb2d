//! State of a running data plane that can be read while its workers work.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use l4::config::Config;
use l4::counts::CounterSnapshot;

use crate::counters::{QueryCounts, WorkerCounters, snapshot};
use crate::health::Board;

/// State that can be read while workers work.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) config: ArcSwap<Config>,
    /// Expiry of the proxy's own certificates, in seconds since 1970.
    pub(crate) certificate_ends: ArcSwap<Vec<i64>>,
    pub(crate) generation: AtomicU64,
    pub(crate) counters: Vec<Arc<WorkerCounters>>,
    /// Counters of direct connections.
    pub(crate) direct: Arc<WorkerCounters>,
    pub(crate) dropped_lines: Arc<AtomicU64>,
    pub(crate) board: Arc<Board>,
    /// Counters of DNS queries; not set: there is no DNS server here.
    pub(crate) dns: OnceLock<Arc<QueryCounts>>,
}

impl Published {
    pub(crate) fn snapshot(&self) -> CounterSnapshot {
        let counters = self.counters.iter().chain([&self.direct]);
        let mut snapshot = snapshot(self.generation.load(Relaxed), &self.config.load(), counters);
        snapshot.clusters = self.board.report();
        snapshot
    }
}
