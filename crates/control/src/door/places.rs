//! How many callers are served at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Share;

/// How many places only callers from this host may take.
const KEPT: usize = 16;

/// The places of one server. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    what: &'static str,
    common: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    /// Whether it was said that there was no place, and none was free since.
    told: Arc<AtomicBool>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit);

impl Places {
    /// The places of a server, for messages `what`.
    pub(crate) fn new(what: &'static str, share: Share) -> Self {
        Self::of(what, share.now())
    }

    /// So many places, and those that are kept for this host.
    pub(crate) fn of(what: &'static str, places: usize) -> Self {
        let (common, kept) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(KEPT)));
        Self { what, common, kept, told: Arc::default() }
    }

    /// A place for a caller; `None`: there is none, which is told once until there is one again.
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
