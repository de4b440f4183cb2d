//! The part of a proxy that its workers share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use l4::config::{Keepalive, Listener};
use l4::decide::Addresses;

use super::passing::Passing;
use crate::counters::ListenerKey;
use crate::health::Board;
use crate::limits::Places;
use crate::resolve::Doubts;

/// The most places that one listener leaves to the others.
const MOST_LEFT: usize = 512;

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
    /// Connections to where others were meant to go; locked for these alone.
    pub(crate) passing: Passing,
    /// The number of workers.
    pub(crate) workers: usize,
    /// The seed of every worker's and listener's phase.
    pub(crate) seed: u64,
    /// The bounds of single listeners; locked when a configuration is adopted, never for a connection.
    pub(crate) listener_places: Mutex<BTreeMap<ListenerKey, Bound>>,
}

/// The bound of a listener.
pub(crate) struct Bound {
    places: Arc<Places>,
    /// What its configuration says.
    configured: Option<usize>,
}

impl Shared {
    /// The places of a listener, with the limit that it has now.
    pub(super) fn places_of(&self, listener: &Listener) -> Arc<Places> {
        let configured = listener.max_connections.map(|limit| limit.get() as usize);
        let limit = configured.unwrap_or(usize::MAX);
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        let mut all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        let bound =
            all.entry(key).or_insert_with(|| Bound { places: Arc::new(Places::new(limit)), configured });
        bound.configured = configured;
        Arc::clone(&bound.places)
    }

    /// The places of a listener that some worker serves.
    pub(crate) fn bound_of(&self, listener: &Listener) -> Option<Arc<Places>> {
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        let all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).map(|bound| Arc::clone(&bound.places))
    }

    /// Forgets the places of listeners that nobody uses any more, and bounds the others. Where there are several, the one that
    /// nobody bounds leaves an eighth of all places to the others, 512 at most: a crowd at one, or connections that go round in a circle,
    /// keep nobody from the rest.
    pub(super) fn settle_places(&self) {
        let mut all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, bound| Arc::strong_count(&bound.places) > 1);
        let total = self.places.limit();
        let usual = if all.len() > 1 { total - (total / 8).min(MOST_LEFT) } else { usize::MAX };
        for Bound { places, configured } in all.values() {
            places.set_limit(configured.unwrap_or(usual));
        }
    }
}
