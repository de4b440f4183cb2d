//! State of a proxy that its workers share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use l4::config::{Keepalive, Listener};
use l4::decide::Addresses;

use super::neighbours::Neighbours;
use super::passing::Passing;
use crate::counters::ListenerKey;
use crate::health::Board;
use crate::limits::Places;
use crate::pinning::Pinning;
use crate::resolve::Doubts;

/// Limit on the places that one listener leaves to the others.
const MOST_LEFT: usize = 512;

/// State of a proxy that its workers share.
pub(crate) struct Shared {
    /// Limit on all connections.
    pub(crate) places: Arc<Places>,
    /// Health of clusters; locked when a configuration is adopted, never for a connection.
    pub(crate) board: Arc<Board>,
    /// Addresses of endpoints that are host names.
    pub(crate) addresses: Arc<ArcSwap<Addresses>>,
    /// Handle for reports that connecting to a host name failed.
    pub(crate) doubts: Doubts,
    /// Timeout of a client hello.
    pub(crate) hello_timeout: Duration,
    /// TCP keepalive of clients; `None`: off.
    pub(crate) client_keepalive: Option<Keepalive>,
    /// Limit on the time that clients leave bytes unacknowledged; `None`: the kernel's default.
    pub(crate) client_user_timeout: Option<Duration>,
    /// Idle timeout of a half-closed connection; `None`: no limit.
    pub(crate) half_closed_timeout: Option<Duration>,
    /// Ports that the kernel dials from.
    pub(crate) ephemeral_ports: RangeInclusive<u16>,
    /// Connections to original destinations; locked for these alone.
    pub(crate) passing: Passing,
    /// Number of workers.
    pub(crate) workers: usize,
    /// Pinning of the workers.
    pub(crate) pinning: Pinning,
    /// Workers, where connections arrive at one by CPU; `None`: they arrive at any.
    pub(crate) neighbours: Option<Neighbours>,
    /// Seed of every worker's and listener's phase.
    pub(crate) seed: u64,
    /// Limits of single listeners; locked when a configuration is adopted, never for a connection.
    pub(crate) listener_places: Mutex<BTreeMap<ListenerKey, Bound>>,
}

/// Limit of a listener.
pub(crate) struct Bound {
    places: Arc<Places>,
    /// Configured limit; `None`: not set.
    configured: Option<usize>,
}

impl Shared {
    /// Returns the places of a listener, with its current limit.
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

    /// Returns the places of a listener that some worker serves.
    pub(crate) fn bound_of(&self, listener: &Listener) -> Option<Arc<Places>> {
        let key = (listener.proxy.clone(), Arc::clone(&listener.name));
        let all = self.listener_places.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).map(|bound| Arc::clone(&bound.places))
    }

    /// Forgets the places of unused listeners, and sets the limits of the others. If there are several, a listener
    /// without a limit leaves an eighth of all places to the others, 512 at most: a crowd at one, or connections in
    /// a loop, do not block the rest.
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
