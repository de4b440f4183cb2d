//! Resources of one type that a client refused, and the times at which they are offered again.
//!
//! A refusal holds in the circumstances that it was made in: a listener is refused because its cluster is not there
//! yet, or because a port is taken. So a refused resource is offered again, once,
//!
//! * when something that it names has come since, or, if its removal was refused, when something that may have used it
//!   has changed since;
//! * and after a pause, whatever the reason was, since a client may know more than the control plane. The pause doubles
//!   with every refusal in the same circumstances, so that a permanent fault costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Subscription;
use super::arrival::Arrival;
use super::mentions::mentions;
use super::protocol::Protocol;
use crate::order::Row;
use crate::{ResourceSet, TypeUrl, Version};

/// First pause before a refused resource is offered again although nothing that it names has changed.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Longest pause, after doubling.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Offer to a client about a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Offer {
    /// To run this version of it.
    Version(Version),
    /// To remove it.
    Removal,
}

/// Refusals of one type.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    by_name: BTreeMap<String, BTreeMap<Offer, Refusal>>,
}

#[derive(Clone, Debug)]
struct Refusal {
    /// Arrival of the refused response at the client.
    arrival: Arrival,
    blame: Blame,
    /// Number of refusals in the same circumstances.
    times: u32,
    pause: Pause,
}

/// Scope of a refusal according to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// This resource, named in the message.
    Named,
    /// Any resource of the response.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Begins when the stream is first asked for a response.
    Unbegun,
    Until(Duration),
    /// Over: the resource may be offered once more.
    Over,
}

impl Refusals {
    /// Adds a refusal of what the response of `arrival` offered about a resource.
    pub(super) fn add(&mut self, name: &str, offer: Offer, blame: Blame, arrival: Arrival, now: Duration) {
        let before = self.by_name.get(name).and_then(|offers| offers.get(&offer));
        let times = before.map_or(0, |refusal| refusal.times).saturating_add(1);
        let pause = Pause::Until(now + length(times));
        self.by_name
            .entry(name.to_owned())
            .or_default()
            .insert(offer, Refusal { arrival, blame, times, pause });
    }

    /// Forgets a refusal, because the client has accepted the offer now.
    pub(super) fn forget(&mut self, name: &str, offer: Offer) {
        let Some(offers) = self.by_name.get_mut(name) else { return };
        offers.remove(&offer);
        if offers.is_empty() {
            self.by_name.remove(name);
        }
    }

    /// Keeps only refusals that still stand.
    pub(super) fn retain(&mut self, stands: impl Fn(&str, Offer) -> bool) {
        self.by_name.retain(|name, offers| {
            offers.retain(|offer, _| stands(name, *offer));
            !offers.is_empty()
        });
    }

    /// Returns `true` if the client has refused the offer and not accepted it since.
    pub(super) fn contain(&self, name: &str, offer: Offer) -> bool {
        self.by_name.get(name).is_some_and(|offers| offers.contains_key(&offer))
    }

    /// Returns `true` if the offer must not be made now.
    pub(super) fn keep_back(&self, name: &str, offer: Offer) -> bool {
        let refusal = self.by_name.get(name).and_then(|offers| offers.get(&offer));
        refusal.is_some_and(|refusal| refusal.pause != Pause::Over)
    }

    /// Returns the refusals for the next stream, whose time starts at zero.
    pub(super) fn for_next_stream(&self) -> Self {
        let mut next = self.clone();
        for refusal in next.by_name.values_mut().flat_map(BTreeMap::values_mut) {
            (refusal.arrival, refusal.pause) = (Arrival::Before, Pause::Unbegun);
        }
        next
    }

    /// Ends the pauses that are over, and returns the end of the next one of the `wanted` offers. Unwanted offers are
    /// forgotten when their pause is over.
    fn tick(&mut self, now: Duration, wanted: impl Fn(&str, Offer) -> bool) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        self.by_name.retain(|name, offers| {
            offers.retain(|offer, refusal| {
                let until = match refusal.pause {
                    Pause::Unbegun => now + length(refusal.times),
                    Pause::Until(until) => until,
                    Pause::Over => return true,
                };
                let wanted = wanted(name, *offer);
                refusal.pause = if now < until { Pause::Until(until) } else { Pause::Over };
                if now < until && wanted {
                    next = Some(next.map_or(until, |next| next.min(until)));
                }
                now < until || wanted
            });
            !offers.is_empty()
        });
        next
    }

    /// Ends the pauses of offers that `is_moved` selects, and of all offers of a response that was refused as a whole
    /// if it selects any of them. The next refusal counts as the first in other circumstances.
    fn offer_again(&mut self, is_moved: impl Fn(&str, Offer, Arrival) -> bool) {
        let mut arrivals = BTreeSet::new();
        for (name, offers) in &mut self.by_name {
            for (offer, refusal) in offers.iter_mut().filter(|(_, refusal)| refusal.pause != Pause::Over) {
                if is_moved(name, *offer, refusal.arrival) {
                    (refusal.times, refusal.pause) = (0, Pause::Over);
                    arrivals.extend((refusal.blame == Blame::Any).then_some(refusal.arrival));
                }
            }
        }
        for refusal in self.by_name.values_mut().flat_map(BTreeMap::values_mut) {
            if refusal.blame == Blame::Any && arrivals.contains(&refusal.arrival) {
                (refusal.times, refusal.pause) = (0, Pause::Over);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

fn length(times: u32) -> Duration {
    let doubled = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

impl<P: Protocol> Subscription<P> {
    /// Offers refused resources again if something that they need has arrived since.
    pub(super) fn reconsider(&mut self) {
        let Some(target) = self.target.clone() else { return };
        for (key, row) in self.with_refusals() {
            let Some(mut refusals) = self.feeds.get_mut(&key).map(|feed| std::mem::take(&mut feed.refusals))
            else {
                continue;
            };
            refusals.offer_again(|name, offer, arrival| match offer {
                Offer::Version(version) => {
                    let refused = target.get(&key.1, name).filter(|refused| refused.version == version);
                    refused.is_some_and(|refused| self.has_come_after(arrival, row, &refused.body))
                }
                Offer::Removal => {
                    row.later().filter_map(|later| self.feed(later)).any(|later| later.changed_after(arrival))
                }
            });
            if let Some(feed) = self.feeds.get_mut(&key) {
                feed.refusals = refusals;
            }
        }
    }

    /// Returns `true` if the client has accepted a resource that `body` names and that was sent after `arrival`.
    fn has_come_after(&self, arrival: Arrival, row: &Row, body: &[u8]) -> bool {
        let named = row.named().filter_map(|named| self.feed(named));
        named.flat_map(|feed| feed.arrived_after(arrival)).any(|other| mentions(body, other))
    }

    /// Offers resources again whose pause is over.
    pub(super) fn end_pauses(&mut self, target: &ResourceSet, now: Duration) {
        let feeds = self.feeds.values_mut().filter(|feed| !feed.refusals.is_empty());
        let next = feeds.filter_map(|feed| {
            let mut refusals = std::mem::take(&mut feed.refusals);
            let next = refusals.tick(now, |name, offer| feed.wants(target, name, offer));
            feed.refusals = refusals;
            next
        });
        if let Some(next) = next.min() {
            self.wake_by(next);
        }
    }

    fn with_refusals(&self) -> Vec<((usize, TypeUrl), &'static Row)> {
        let feeds = self.feeds.iter().filter(|(_, feed)| !feed.refusals.is_empty());
        feeds.filter_map(|(key, feed)| Some((key.clone(), Row::of(&feed.type_url)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_bound() {
        let seconds = |times| length(times).as_secs();
        assert_eq!([1, 2, 3, 7, 40, u32::MAX].map(seconds), [5, 10, 20, 300, 300, 300]);
    }
}
