//! The part of a proxy that its workers share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use l4::config::{Keepalive, Listener};
use l4::decide::Addresses;

use crate::counters::ListenerKey;
use crate::health::Board;
use crate::limits::Places;
use crate::resolve::Doubts;

/// The part of a proxy that its workers share.
pub(crate) struct Shared {
    /// The bound on all connections.
    pub(crate) places: Arc<Places>,
    /// The health of clusters; locked when a configuration is adopted, never for a connection.
    pub(crate) board: Arc<Board>,
    /// The addresses of endpoints that are host names.
    pub(crate) addresses: Arc<ArcSwap<Addresses>>,
    /// Whom to tell that connecting to a host name failed.
    pub(crate) doubts: Doubts,
    /// The time that a client hello may take.
    pub(crate) hello_timeout: Duration,
    /// How clients are noticed that vanished without a word; `None`: not at all.
    pub(crate) client_keepalive: Option<Keepalive>,
    /// How long clients may leave bytes unacknowledged; `None`: as the kernel has it.
    pub(crate) client_user_timeout: Option<Duration>,
    /// How long nothing may move when one end has finished; `None`: for ever.
    pub(crate) half_closed_timeout: Option<Duration>,
    /// The ports that the kernel dials from.
    pub(crate) ephemeral_ports: RangeInclusive<u16>,
    /// The number of workers.
    pub(crate) workers: usize,
    /// The seed of every worker's and listener's phase.
    pub(crate) seed: u64,
    /// The bounds of single listeners; locked when a configuration is adopted, never for a connection.
    pub(crate) listener_places: Mutex<BTreeMap<ListenerKey, Arc<Places>>>,
}

impl Shared {
    /// The places of a listener, with the limit that it has now.
    pub(super) fn places_of(&self, listener: &Listener) -> Arc<Places> {
        let limit = listener.max_connections.map_or(usize::MAX, |limit| limit.get() as usize);
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        let mut all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        let places = all.entry(key).or_insert_with(|| Arc::new(Places::new(limit)));
        places.set_limit(limit);
        Arc::clone(places)
    }

    /// Forgets the places of listeners that nobody uses any more.
    pub(super) fn forget_unused(&self) {
        let mut all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, places| Arc::strong_count(places) > 1);
    }
}
