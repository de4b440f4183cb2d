//! Waiting of one type for others: additions for the resources that they need, removals for those that may still use
//! them.

use std::time::Duration;

use super::Subscription;
use super::feed::Feed;
use crate::ResourceSet;
use crate::order::{Precondition, Row};

/// Maximum time that one type waits for another: long enough for a proxy to warm up new resources, short enough that
/// one cluster that never warms up does not hold up the rest.
pub const PATIENCE: Duration = Duration::from_secs(2);

impl<P> Subscription<P> {
    /// Refused resources of earlier types of which the client has no older version.
    pub(super) fn refused_before(&self, row: Option<&Row>, target: &ResourceSet) -> Vec<String> {
        let earlier = row.into_iter().flat_map(Row::earlier).filter_map(|row| self.feed(row));
        earlier.flat_map(|feed| feed.refused_and_absent(target)).map(str::to_owned).collect()
    }

    /// Time until which a type has to wait for earlier types; `None`: it need not wait.
    pub(super) fn wait_for_earlier(
        &self,
        row: Option<&Row>,
        feed: &Feed,
        target: &ResourceSet,
        now: Duration,
    ) -> Option<Duration> {
        let row = row.filter(|row| row.after != Precondition::Nothing)?;
        let until = feed.waiting_since.unwrap_or(now) + PATIENCE;
        let unfinished = row.earlier().any(|before| match self.feed(before) {
            // A client that returns asks for its types in any order; for those by name only if it has names.
            None => feed.resumed && before.wildcard,
            Some(earlier) => {
                let refused_before = self.refused_before(Some(before), target);
                match row.after {
                    Precondition::Nothing => false,
                    Precondition::Sent => earlier.will_lack(target, &refused_before),
                    Precondition::Accepted => {
                        earlier.in_flight.is_some()
                            || earlier.changed(target, &refused_before).next().is_some()
                    }
                }
            }
        });
        (unfinished && now < until).then_some(until)
    }

    /// Wait of a type's removals for later types that may still use the resources.
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
            // An owned resource leaves after its owner, and all others before the resources that they name.
            let still_there = !after.belongs_to(row) && later.will_keep(target);
            if still_there
                || later.keeps_back(target, &refused_before)
                || later.will_lack(target, &refused_before)
            {
                return Wait::ForAnEvent;
            }
            let until = later.in_flight.as_ref().map(|response| response.sent_at + PATIENCE);
            wait = wait.max(until.filter(|until| now < *until).map_or(Wait::No, Wait::Until));
        }
        for owner in row.earlier().filter(|owner| row.belongs_to(owner)) {
            let Some(feed) = self.feed(owner) else { continue };
            // Envoy drops endpoints by itself with their cluster; our own proxy is told of both at once.
            let stays = match owner.refreshes {
                Some(_) => feed.in_flight.is_some() || feed.will_keep(target),
                None => feed.will_keep(target),
            };
            if stays {
                return Wait::ForAnEvent;
            }
        }
        wait
    }

    pub(super) fn feed(&self, row: &Row) -> Option<&Feed> {
        self.feeds.values().find(|feed| feed.type_url.as_str() == row.type_url)
    }
}

/// Wait of removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    No,
    Until(Duration),
    /// Until the client answers, or another set is published.
    ForAnEvent,
}
