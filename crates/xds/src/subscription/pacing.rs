//! When one type has to wait for another: additions for what they need, removals for what may still use them.

use std::time::Duration;

use super::Subscription;
use super::feed::Feed;
use crate::ResourceSet;
use crate::order::{After, Row};

/// How long one type waits for another: long enough for a proxy to warm up what it was given, short enough that one
/// cluster that never does cannot hold up the rest.
pub const PATIENCE: Duration = Duration::from_secs(2);

impl<P> Subscription<P> {
    /// What earlier types had refused and the client has no older version of.
    pub(super) fn refused_before(&self, row: Option<&Row>, target: &ResourceSet) -> Vec<String> {
        let earlier = row.into_iter().flat_map(Row::earlier).filter_map(|row| self.feed(row));
        earlier.flat_map(|feed| feed.refused_and_absent(target)).map(str::to_owned).collect()
    }

    /// Until when a type has to wait for those that go before it; `None`: it need not.
    pub(super) fn wait_for_earlier(
        &self,
        row: Option<&Row>,
        feed: &Feed,
        target: &ResourceSet,
        now: Duration,
    ) -> Option<Duration> {
        let row = row.filter(|row| row.after != After::Nothing)?;
        let until = feed.waiting_since.unwrap_or(now) + PATIENCE;
        let unfinished = row.earlier().any(|before| match self.feed(before) {
            // A client that comes back asks for its types in any order; for those by name only if it has names.
            None => feed.resumed && before.wildcard,
            Some(earlier) => {
                let unsent = earlier.changed(target, &[]).next().is_some();
                match row.after {
                    After::Nothing => false,
                    After::Sent => earlier.in_flight.is_some() && unsent && !sent_newest(earlier, target),
                    After::Accepted => earlier.in_flight.is_some() || unsent,
                }
            }
        });
        (unfinished && now < until).then_some(until)
    }

    /// Whether what is stale of a type may still be used by those that go after it.
    pub(super) fn wait_for_later(&self, row: Option<&Row>, target: &ResourceSet, now: Duration) -> Wait {
        let Some(row) = row else { return Wait::No };
        let mut wait = Wait::No;
        for after in row.later() {
            let Some(later) = self.feed(after) else {
                let until = self.resumed_at.map(|at| at + PATIENCE).filter(|until| now < *until);
                if let Some(until) = until.filter(|_| after.wildcard) {
                    wait = wait.max(Wait::Until(until));
                }
                continue;
            };
            let refused_before = self.refused_before(Some(after), target);
            if later.keeps_back(target, &refused_before) {
                return Wait::ForAnEvent;
            }
            match &later.in_flight {
                Some(_) if !sent_newest(later, target) => return Wait::ForAnEvent,
                Some(response) if now >= response.sent_at + PATIENCE => {}
                Some(response) => wait = wait.max(Wait::Until(response.sent_at + PATIENCE)),
                None if later.changed(target, &refused_before).next().is_some() => return Wait::ForAnEvent,
                None => {}
            }
        }
        // Endpoints leave with their cluster: the client drops them by itself.
        let owners = row.earlier().filter(|owner| owner.refreshes == Some(row.type_url));
        for owner in owners.filter_map(|owner| self.feed(owner)) {
            if owner.in_flight.is_some() || owner.stale(target).next().is_some() {
                return Wait::ForAnEvent;
            }
        }
        wait
    }

    fn feed(&self, row: &Row) -> Option<&Feed> {
        self.feeds.values().find(|feed| feed.type_url.as_str() == row.type_url)
    }
}

/// Whether removals may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    No,
    Until(Duration),
    /// Until the client answers, or another set is published.
    ForAnEvent,
}

/// Whether the response in flight carries all that the target has for the client.
fn sent_newest(feed: &Feed, target: &ResourceSet) -> bool {
    let Some(response) = &feed.in_flight else { return true };
    feed.changed(target, &[]).all(|(name, resource)| {
        response.resources.get(name).is_some_and(|sent| sent.version == resource.version)
    })
}
