//! What was worked out for one proxy and holds for others, too, as long as the snapshot does. Asking it or not never
//! changes an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use model::Kind;

use crate::plan::RouteStatus;
use crate::rules::Rules;

/// Answers about a snapshot. Keys are addresses of the snapshot's resources, which do not move while it lives.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// What policies say together, by their kind and themselves: proxies that the same ones select share it.
    pub(crate) rules: Shelf<(Kind, Box<[usize]>), Arc<Rules>, 256>,
    /// What became of a policy that is heard nowhere in a plan, with what was read to find out why.
    pub(crate) unheard: Shelf<usize, (Arc<RouteStatus>, Arc<[u64]>), 16_384>,
}

impl Memo {
    /// Forgets everything: it can be worked out again.
    pub(crate) fn clear(&self) {
        self.rules.clear();
        self.unheard.clear();
    }
}

/// Answers of one sort, at most `KEPT` of them.
#[derive(Debug)]
pub(crate) struct Shelf<K, V, const KEPT: usize>(RwLock<BTreeMap<K, V>>);

impl<K, V, const KEPT: usize> Default for Shelf<K, V, KEPT> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Ord, V: Clone, const KEPT: usize> Shelf<K, V, KEPT> {
    /// The answer from before, or the one that `work` finds. Two who ask at the same time may both work: they find the
    /// same.
    pub(crate) fn get_or(&self, key: K, work: impl FnOnce() -> V) -> V {
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        found.unwrap_or_else(|| {
            let answer = work();
            let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
            // Whoever comes next is most likely to ask what was asked last.
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
