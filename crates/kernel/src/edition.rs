//! Version of a listener, which stays in the tables as long as a connection of it lives.

use std::sync::Arc;

use l4::config::Listener;

use crate::tables::Interval;

/// Listener as stored in one slot of the routes.
#[derive(Clone)]
pub(crate) struct Edition {
    /// Content of the slot.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) generation: u64,
    pub(crate) intervals: Arc<[Interval]>,
}

/// What distinguishes one edition from another: the table, and the listener whose names it has.
impl Edition {
    fn key(&self) -> (&[u8], *const Listener) {
        (&self.bytes, Arc::as_ptr(&self.listener))
    }
}

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Edition {}

impl PartialOrd for Edition {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Edition {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
