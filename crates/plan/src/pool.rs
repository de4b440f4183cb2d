//! Pools of equal parts of different plans, each stored once.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::Xxh3;

use crate::plan::{Cluster, Listener, RouteStatus};

/// Pools of the parts that plans share: proxies that dial the same service mostly do the same about it. They
/// outlive snapshots; otherwise parts that a change leaves alone would be stored once per change.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) clusters: Pool<Cluster>,
    pub(crate) listeners: Pool<Listener>,
    pub(crate) routes: Pool<RouteStatus>,
}

impl Pools {
    /// Drops parts that no plan uses any more.
    pub(crate) fn tidy(&self) {
        self.clusters.tidy();
        self.listeners.tidy();
        self.routes.tidy();
    }
}

/// Values of one type, each stored once.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    /// Values by hash; the few that share one are told apart by comparison.
    values: Mutex<BTreeMap<u64, Vec<Arc<T>>>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { values: Mutex::default() }
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// Returns the value, or an equal one that was there before.
    pub(crate) fn shared(&self, value: T) -> Arc<T> {
        let hash = hash_of(&value);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = values.entry(hash).or_default();
        if let Some(found) = alike.iter().find(|found| ***found == value) {
            return Arc::clone(found);
        }
        let value = Arc::new(value);
        alike.push(Arc::clone(&value));
        value
    }

    /// Drops values that only the pool holds.
    fn tidy(&self) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|_, alike| {
            alike.retain(|value| Arc::strong_count(value) > 1);
            !alike.is_empty()
        });
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hash = Xxh3::new();
    value.hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_what_nobody_holds_is_dropped() {
        let pool = Pool::default();
        let first = pool.shared("a".to_owned());
        assert!(Arc::ptr_eq(&first, &pool.shared("a".to_owned())));
        drop(pool.shared("b".to_owned()));
        pool.tidy();
        let left: Vec<_> = pool.values.lock().unwrap().values().flatten().cloned().collect();
        assert_eq!(left, [first]);
    }
}
