//! Slots of a table of the kernel, found by their content.
//!
//! A slot of such a table is never changed while programs may read it. A slot that is no longer wanted rests for a
//! moment before it is reused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Time after which no program that began before still reads a slot.
const REST: Duration = Duration::from_secs(1);

/// Slots by content.
#[derive(Debug)]
pub(crate) struct SlotTable<T> {
    taken: BTreeMap<T, Taken>,
    free: Vec<u32>,
    next: u32,
    places: u32,
    resting: Vec<(Instant, u32)>,
    /// Places that an earlier process gave away, until the first round has shown which of them are wanted.
    inherited: BTreeSet<u32>,
    round: u64,
}

#[derive(Debug)]
struct Taken {
    place: u32,
    /// Last round in which it was wanted.
    wanted: u64,
}

/// Slot of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The slot has the content already.
    There(u32),
    /// The content has to be written to the slot.
    New(u32),
}

impl Slot {
    pub(crate) fn place(self) -> u32 {
        match self {
            Self::There(place) | Self::New(place) => place,
        }
    }
}

impl<T: Ord> SlotTable<T> {
    /// Makes a shelf of `places`, the first `used` of which an earlier process gave away.
    pub(crate) fn of(places: u32, used: u32) -> Self {
        Self {
            taken: BTreeMap::new(),
            free: Vec::new(),
            next: used,
            places,
            resting: Vec::new(),
            inherited: (0..used).collect(),
            round: 0,
        }
    }

    /// Begins a round: contents that are not put in it are no longer wanted.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// Place of something that is wanted in this round; `None`: there is no room. `before`: its place in an earlier process.
    pub(crate) fn put(&mut self, content: T, before: Option<&u32>) -> Option<Slot> {
        let round = self.round;
        if let Some(taken) = self.taken.get_mut(&content) {
            taken.wanted = round;
            return Some(Slot::There(taken.place));
        }
        if let Some(place) = before.and_then(|place| self.inherited.take(place)) {
            self.taken.insert(content, Taken { place, wanted: round });
            return Some(Slot::There(place));
        }
        let place = self.free.pop().or_else(|| {
            let fresh = (self.next < self.places).then_some(self.next)?;
            self.next += 1;
            Some(fresh)
        })?;
        self.taken.insert(content, Taken { place, wanted: round });
        Some(Slot::New(place))
    }

    /// Ends a round: slots of contents that were not wanted in it start to rest.
    pub(crate) fn end(&mut self, now: Instant) {
        let (round, resting) = (self.round, &mut self.resting);
        resting.extend(std::mem::take(&mut self.inherited).into_iter().map(|place| (now, place)));
        self.taken.retain(|_, taken| {
            let wanted = taken.wanted == round;
            if !wanted {
                resting.push((now, taken.place));
            }
            wanted
        });
    }

    /// Resting slots.
    pub(crate) fn resting(&self) -> impl Iterator<Item = u32> {
        self.resting.iter().map(|(_, place)| *place)
    }

    /// Frees slots that have rested, unless something still refers to them, and returns them.
    pub(crate) fn reclaim(&mut self, now: Instant, may: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut freed = Vec::new();
        self.resting.retain(|(since, place)| {
            let rests = now.duration_since(*since) < REST || !may(*place);
            if !rests {
                freed.push(*place);
            }
            rests
        });
        self.free.extend(&freed);
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_rests_before_it_is_something_elses() {
        let mut table = SlotTable::of(2, 0);
        let now = Instant::now();
        assert_eq!(table.put("a", None), Some(Slot::New(0)));
        assert_eq!(table.put("b", None), Some(Slot::New(1)));
        assert_eq!(table.put("c", None), None, "full");
        table.begin();
        assert_eq!(table.put("b", None), Some(Slot::There(1)));
        table.end(now);
        assert_eq!(table.put("c", None), None, "programs may still read the other");
        assert_eq!(table.reclaim(now, |_| true), []);
        assert_eq!(table.reclaim(now + REST, |_| false), [], "a connection of it lives");
        assert_eq!(table.reclaim(now + REST, |_| true), [0]);
        assert_eq!(table.put("c", None), Some(Slot::New(0)));
    }
    #[test]
    fn what_somebody_before_gave_away_is_kept_or_rests() {
        let mut table = SlotTable::of(4, 3);
        let now = Instant::now();
        table.begin();
        assert_eq!(table.put("b", Some(&1)), Some(Slot::There(1)));
        assert_eq!(table.put("c", Some(&1)), Some(Slot::New(3)), "it is another's");
        assert_eq!(table.put("d", None), None, "the others are not free before they have rested");
        table.end(now);
        assert_eq!(table.reclaim(now + REST, |_| true), [0, 2]);
        table.begin();
        assert_eq!(table.put("b", Some(&0)), Some(Slot::There(1)));
        assert_eq!(table.put("d", Some(&0)), Some(Slot::New(2)), "nothing is inherited any more");
    }
}
