//! Counters of DNS queries by outcome.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Outcome of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with addresses of the mesh.
    Answered,
    /// Name of the mesh, without records of the requested type.
    NoData,
    /// Name below a suffix of the mesh that does not exist.
    NoSuchName,
    /// Answered by a server of the host.
    Forwarded,
    /// No server of the host answered.
    Failed,
    /// Too many queries were in flight already.
    Overload,
    /// Query that had been forwarded before, and came back.
    Loop,
    /// Not a query, or unreadable.
    Malformed,
}

impl Outcome {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Answered, "answered"),
        (Self::NoData, "no_data"),
        (Self::NoSuchName, "no_such_name"),
        (Self::Forwarded, "forwarded"),
        (Self::Failed, "failed"),
        (Self::Overload, "overload"),
        (Self::Loop, "loop"),
        (Self::Malformed, "malformed"),
    ];
}

/// Numbers of queries by outcome.
#[derive(Debug, Default)]
pub(crate) struct QueryCounts([AtomicU64; Outcome::ALL.len()]);

impl QueryCounts {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Relaxed);
    }

    /// Returns the number of queries of each outcome.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.into_iter().map(|(outcome, name)| (name, self.0[outcome as usize].load(Relaxed)))
    }
}
