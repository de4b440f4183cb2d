//! Limits on the names that clients ask for: of one stream, and of all streams of a process together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::feed::Feed;
use super::{BadRequest, Subscription};

/// Limit on the names that a stream asks for, in bytes: about 100,000 cluster names. A name takes some more than its
/// length. The same limit holds for those that it is owed an answer about.
pub(super) const STREAM_BYTES: usize = 16 * 1024 * 1024;

pub(super) const TOO_MANY: BadRequest = BadRequest::TooManyNames { limit: STREAM_BYTES };

/// Limit on the names of all streams that nothing is published under, in bytes.
const PROCESS_BYTES: usize = 256 * 1024 * 1024;

/// Number of times that a stream keeps a name: as asked for, held, and owed.
const KEPT: usize = 3;

/// Budget for names, in bytes. Cloning shares it.
///
/// Whoever asks for what is published draws nothing from it, so that those who ask for what is not cannot keep others
/// from being served.
#[derive(Clone, Debug)]
pub struct NameBudget {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

impl Default for NameBudget {
    fn default() -> Self {
        Self::of(PROCESS_BYTES)
    }
}

impl NameBudget {
    /// Creates a budget of so many bytes.
    pub fn of(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    /// Bytes that are taken now, by all streams together.
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }
}

/// Share of one stream in a budget. It is given back when the stream ends.
#[derive(Debug, Default)]
pub(super) struct Share {
    budget: NameBudget,
    taken: usize,
}

impl Share {
    pub(super) fn of(budget: NameBudget) -> Self {
        Self { budget, taken: 0 }
    }

    /// Takes as much of the budget as the stream needs now, or gives some back. Returns `false`, and takes no more, if
    /// the budget is too small for it.
    pub(super) fn resize(&mut self, needed: usize) -> bool {
        let Some(more) = needed.checked_sub(self.taken) else {
            self.budget.taken.fetch_sub(self.taken - needed, Relaxed);
            self.taken = needed;
            return true;
        };
        let fits = |taken: usize| taken.checked_add(more).filter(|sum| *sum <= self.budget.limit);
        let took = more == 0 || self.budget.taken.fetch_update(Relaxed, Relaxed, fits).is_ok();
        if took {
            self.taken = needed;
        }
        took
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.taken, Relaxed);
    }
}

impl<P> Subscription<P> {
    /// Draws what the stream keeps of names beyond those that are published from the budget that it shares. To be called
    /// after requests, once what is published is known.
    ///
    /// # Errors
    ///
    /// [`BadRequest::Overdrawn`]: there is not enough left; the stream should end.
    pub fn settle_names(&mut self) -> Result<(), BadRequest> {
        let kept: usize = self.feeds.values().map(Feed::names_taken).sum();
        match self.share.resize(kept.saturating_sub(KEPT * self.published)) {
            true => Ok(()),
            false => Err(BadRequest::Overdrawn { limit: self.share.budget.limit }),
        }
    }

    /// Checks the limits of the stream itself.
    pub(super) fn check_names(&self) -> Result<(), BadRequest> {
        let asked: usize = self.feeds.values().map(|feed| feed.interest.taken()).sum();
        let owed: usize = self.feeds.values().map(|feed| feed.owed.names.cost()).sum();
        if asked.max(owed) > STREAM_BYTES { Err(TOO_MANY) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_take_more_than_there_is_and_are_given_back() {
        let budget = NameBudget::of(100);
        let (mut one, mut other) = (Share::of(budget.clone()), Share::of(budget.clone()));
        assert!(one.resize(60) && other.resize(40));
        assert!(!one.resize(61), "it is all taken");
        assert!(one.resize(60) && one.resize(10) && other.resize(90));
        assert!(!one.resize(usize::MAX));
        assert_eq!(budget.taken(), 100);
        drop(other);
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert_eq!(budget.taken(), 0);
    }
}
