//! Limit on concurrent connections of a server.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::DescriptorShare;

/// Places that are reserved for callers from this host.
const KEPT: usize = 16;

/// Connection places of one server. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    what: &'static str,
    common: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    /// `true`: a lack of places has been logged, and none was free since.
    told: Arc<AtomicBool>,
}

/// Guard of one place; freed when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit);

impl Places {
    /// Creates the places of a server. `what` names it in messages.
    pub(crate) fn new(what: &'static str, share: DescriptorShare) -> Self {
        Self::of(what, share.now())
    }

    /// Creates the given number of places; those for this host come on top.
    pub(crate) fn of(what: &'static str, places: usize) -> Self {
        let (common, kept) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(KEPT)));
        Self { what, common, kept, told: Arc::default() }
    }

    /// Takes a place for a caller; `None`: there is none, which is logged once until there is one again.
    pub(crate) fn take(&self, peer: IpAddr) -> Option<Place> {
        if let Ok(permit) = Arc::clone(&self.common).try_acquire_owned() {
            self.told.store(false, Relaxed);
            return Some(Place(permit));
        }
        let kept = || Arc::clone(&self.kept).try_acquire_owned().ok();
        let place = peer.to_canonical().is_loopback().then(kept).flatten().map(Place);
        if place.is_none() && !self.told.swap(true, Relaxed) {
            let what = self.what;
            tracing::warn!(%peer, "{what} is full: further callers are turned away until others leave");
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_for_this_host() {
        let places = Places::of("a test", 2);
        let (far, near): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "::ffff:127.0.0.1".parse().unwrap());
        let first = [places.take(far), places.take(far)];
        assert!(first.iter().all(Option::is_some));
        assert!(places.take(far).is_none());
        let kept: Vec<_> = (0..KEPT).map(|_| places.take(near)).collect();
        assert!(kept.iter().all(Option::is_some) && places.take(near).is_none());
        drop(first);
        assert!(places.take(far).is_some());
    }
}
