//! What became of DNS queries.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Addresses of the mesh.
    Answered,
    /// A name of the mesh, without what was asked for.
    NoData,
    /// A name that would be one of the mesh, and is none.
    NoSuchName,
    /// What a server of the host said.
    Forwarded,
    /// No server of the host answered.
    Failed,
    /// Too many queries were on their way already.
    Overload,
    /// It had been passed on before, and came back.
    Loop,
    /// It was no query, or could not be read.
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

/// How many queries had which outcome.
#[derive(Debug, Default)]
pub(crate) struct QueryCounts([AtomicU64; Outcome::ALL.len()]);

impl QueryCounts {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Relaxed);
    }

    /// How many there were of each.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.into_iter().map(|(outcome, name)| (name, self.0[outcome as usize].load(Relaxed)))
    }
}
