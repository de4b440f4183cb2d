//! What all streams share: what is published, and a seat for each proxy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use model::ProxyKey;
use tokio_util::sync::CancellationToken;
use xds::Memory;

use super::{DiscoveryMetrics, Publisher, Statuses, TokenGate};

/// What all streams share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) instance: Arc<str>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) statuses: Arc<Statuses>,
    pub(super) metrics: DiscoveryMetrics,
    /// Who may attach; `None`: anybody.
    pub(super) gate: Option<TokenGate>,
    /// Cancelled when every stream has to end.
    pub(super) closing: CancellationToken,
    /// Counts streams, so that each has a number of its own.
    opened: AtomicU64,
    // Held to look up or replace one seat.
    seats: Mutex<BTreeMap<ProxyKey, Seat>>,
}

/// The place of a proxy's one stream.
#[derive(Debug, Default)]
struct Seat {
    /// The stream that sits here.
    number: u64,
    /// Cancelled when a newer stream sits down.
    replaced: CancellationToken,
    memory: Memory,
}

impl Shared {
    pub(super) fn new(
        instance: Arc<str>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
        gate: Option<TokenGate>,
    ) -> Self {
        let (closing, opened, seats) = (CancellationToken::new(), AtomicU64::new(0), Mutex::default());
        Self { instance, publisher, statuses, metrics, gate, closing, opened, seats }
    }

    /// Gives a proxy's seat to a new stream and ends the one before. Returns the number of the stream, the token that
    /// ends it, and what the proxy's last stream left.
    pub(super) fn sit_down(&self, proxy: &ProxyKey) -> (u64, CancellationToken, Memory) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = seats.entry(proxy.clone()).or_default();
        seat.number = self.opened.fetch_add(1, Relaxed);
        std::mem::take(&mut seat.replaced).cancel();
        (seat.number, seat.replaced.clone(), std::mem::take(&mut seat.memory))
    }

    /// Leaves a memory for the proxy's next stream; one that has none leaves nothing. Returns false when the next
    /// sits there already.
    pub(super) fn stand_up(&self, proxy: &ProxyKey, number: u64, memory: Option<Memory>) -> bool {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seat) = seats.get_mut(proxy).filter(|seat| seat.number == number) else { return false };
        match memory {
            Some(memory) => seat.memory = memory,
            None => drop(seats.remove(proxy)),
        }
        true
    }
}
