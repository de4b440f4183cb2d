//! Progress of a revision at the proxies of one or several control planes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accepted, Lagging, LiveAfter, RefusedBy, Rollout};

/// Limit on listed proxies; the numbers count all.
const NAMED: usize = 100;
/// Limit on groups of times in the report to other control planes.
const GROUPS: usize = 128;

/// Progress of a revision at the proxies of one or several control planes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Revision, and time of its acceptance.
    #[serde(flatten)]
    pub accepted: Accepted,
    /// Delays until proxies ran it, sorted, each with the number of proxies.
    delays: Vec<(Duration, usize)>,
    /// Proxies that have not answered.
    lagging: Named<Lagging>,
    /// Proxies that refuse something.
    refused: Named<RefusedBy>,
}

/// First few of many items, and the number of all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Named<T> {
    count: usize,
    first: Vec<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> Named<T> {
    /// Adds an item; it is made only if it is among the first.
    pub(super) fn add(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(make());
        }
    }

    fn join<K: Ord>(&mut self, others: Self, key: impl Fn(&T) -> K) {
        self.count += others.count;
        self.first.extend(others.first);
        self.first.sort_by_key(key);
        self.first.truncate(NAMED);
    }
}

impl Progress {
    pub(super) fn new(
        accepted: Accepted,
        delays: &[Duration],
        lagging: Named<Lagging>,
        refused: Named<RefusedBy>,
    ) -> Self {
        Self { accepted, delays: grouped(delays.iter().map(|delay| (*delay, 1)).collect()), lagging, refused }
    }

    /// Shortens it to a few hundred bytes, however many proxies there are: times are rounded up to 128 groups.
    #[must_use]
    pub fn brief(mut self) -> Self {
        let live: usize = self.delays.iter().map(|(_, count)| count).sum();
        let size = live.div_ceil(GROUPS).max(1);
        let mut groups: Vec<(Duration, usize)> = Vec::new();
        for (delay, count) in std::mem::take(&mut self.delays) {
            match groups.last_mut() {
                Some(last) if last.1 + count <= size => *last = (delay, last.1 + count),
                Some(_) | None => groups.push((delay, count)),
            }
        }
        Self { delays: groups, ..self }
    }

    /// Adds the proxies of another control plane. The time of acceptance is the earlier one.
    pub(crate) fn join(&mut self, other: Self) {
        let Self { accepted, delays, lagging, refused } = other;
        self.accepted.at = self.accepted.at.min(accepted.at);
        self.delays = grouped(std::mem::take(&mut self.delays).into_iter().chain(delays).collect());
        self.lagging.join(lagging, |it| it.proxy.clone());
        self.refused.join(refused, |it| it.proxy.clone());
    }
}

fn grouped(mut delays: Vec<(Duration, usize)>) -> Vec<(Duration, usize)> {
    delays.sort_unstable();
    delays.dedup_by(|next, last| {
        let same = next.0 == last.0;
        if same {
            last.1 += next.1;
        }
        same
    });
    delays
}

impl From<Progress> for Rollout {
    fn from(Progress { accepted, delays, lagging, refused }: Progress) -> Self {
        let live = delays.iter().map(|(_, count)| count).sum();
        let concerned = live + lagging.count + refused.count;
        Self {
            accepted,
            concerned,
            live,
            lagging_count: lagging.count,
            lagging: lagging.first,
            refused_count: refused.count,
            refused: refused.first,
            waits_for: Vec::new(),
            live_after: LiveAfter::of(&delays, concerned),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::Revision;

    fn progress(delays: &[u64]) -> Progress {
        let accepted = Accepted { revision: Revision::new(1), at: Timestamp::UNIX_EPOCH, epoch: None };
        let delays: Vec<Duration> = delays.iter().map(|it| Duration::from_millis(*it)).collect();
        Progress::new(accepted, &delays, Named::default(), Named::default())
    }

    #[test]
    fn what_is_told_briefly_has_the_same_last_and_about_the_same_half() {
        let many = progress(&(1..=10_000).collect::<Vec<_>>());
        let brief = many.clone().brief();
        assert!(brief.delays.len() <= GROUPS + 1, "{}", brief.delays.len());
        let (many, brief) = (Rollout::from(many), Rollout::from(brief));
        assert_eq!((brief.live, brief.live_after.all), (many.live, many.live_after.all));
        let (exact, about) = (many.live_after.half.unwrap(), brief.live_after.half.unwrap());
        assert!(exact <= about && about <= exact + Duration::from_millis(100), "{exact:?} {about:?}");
    }

    #[test]
    fn proxies_of_two_control_planes_are_counted_together() {
        let mut both = progress(&[1, 3, 5]);
        both.join(progress(&[2, 3, 4]));
        let both = Rollout::from(both);
        assert_eq!((both.concerned, both.live), (6, 6));
        let millis = |it: Option<Duration>| it.map(|it| it.as_millis());
        assert_eq!((millis(both.live_after.half), millis(both.live_after.all)), (Some(3), Some(5)));
    }
}
