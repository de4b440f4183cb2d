//! Memo of results that were computed for one proxy and hold for others too, as long as the snapshot lives. Using
//! it never changes a result.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::Kind;

use crate::plan::RouteStatus;
use crate::rules::Rules;

/// Cached results about a snapshot. Keys are addresses of the snapshot's resources, which do not move while it
/// lives.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Merged rules by policy kind and set of policies: proxies that the same policies select share them.
    pub(crate) rules: Cache<(Kind, Box<[usize]>), Arc<Rules>, 256>,
    /// Outcome of a policy that applies nowhere in a plan, with the reads that determined it.
    pub(crate) unheard: Cache<usize, (Arc<RouteStatus>, Arc<[u64]>), 16_384>,
}

impl Memo {
    /// Drops all cached results: they can be computed again.
    pub(crate) fn clear(&self) {
        self.rules.clear();
        self.unheard.clear();
    }
}

/// Cached results of one sort, at most `KEPT` of them.
#[derive(Debug)]
pub(crate) struct Cache<K, V, const KEPT: usize>(RwLock<BTreeMap<K, V>>);

impl<K, V, const KEPT: usize> Default for Cache<K, V, KEPT> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Ord, V: Clone, const KEPT: usize> Cache<K, V, KEPT> {
    /// Returns the cached result, or the one that `work` computes. Two concurrent callers may both compute it: they
    /// get equal results.
    pub(crate) fn get_or(&self, key: K, work: impl FnOnce() -> V) -> V {
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        found.unwrap_or_else(|| {
            let answer = work();
            let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // The latest entries are the most likely to be asked for next.
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(key, answer.clone());
            answer
        })
    }

    fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
