//! Slots of a table of the kernel, found by their content.
//!
//! A slot of such a table is never changed while programs may read it. A slot that is no longer wanted rests for a
//! moment before it is reused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time after which no program that began before still reads a slot.
const REST: Duration = Duration::from_secs(1);

/// Slots by content.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    taken: BTreeMap<T, Taken>,
    free: Vec<u32>,
    next: u32,
    places: u32,
    resting: Vec<(Instant, u32)>,
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
pub(crate) enum Put {
    /// The slot has the content already.
    There(u32),
    /// The content has to be written to the slot.
    New(u32),
}

impl Put {
    pub(crate) fn place(self) -> u32 {
        match self {
            Self::There(place) | Self::New(place) => place,
        }
    }
}

impl<T: Ord> Shelf<T> {
    /// An empty one.
    pub(crate) fn of(places: u32) -> Self {
        Self { taken: BTreeMap::new(), free: Vec::new(), next: 0, places, resting: Vec::new(), round: 0 }
    }

    /// Begins a round: contents that are not put in it are no longer wanted.
    pub(crate) fn begin(&mut self) {
        self.round += 1;
    }

    /// The place of something that is wanted in this round; `None`: there is no room.
    pub(crate) fn put(&mut self, content: T) -> Option<Put> {
        let round = self.round;
        if let Some(taken) = self.taken.get_mut(&content) {
            taken.wanted = round;
            return Some(Put::There(taken.place));
        }
        let place = self.free.pop().or_else(|| {
            let fresh = (self.next < self.places).then_some(self.next)?;
            self.next += 1;
            Some(fresh)
        })?;
        self.taken.insert(content, Taken { place, wanted: round });
        Some(Put::New(place))
    }

    /// Ends a round: slots of contents that were not wanted in it start to rest.
    pub(crate) fn end(&mut self, now: Instant) {
        let (round, resting) = (self.round, &mut self.resting);
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
        let mut shelf = Shelf::of(2);
        let now = Instant::now();
        assert_eq!(shelf.put("a"), Some(Put::New(0)));
        assert_eq!(shelf.put("b"), Some(Put::New(1)));
        assert_eq!(shelf.put("c"), None, "full");
        shelf.begin();
        assert_eq!(shelf.put("b"), Some(Put::There(1)));
        shelf.end(now);
        assert_eq!(shelf.put("c"), None, "programs may still read the other");
        assert_eq!(shelf.reclaim(now, |_| true), []);
        assert_eq!(shelf.reclaim(now + REST, |_| false), [], "a connection of it lives");
        assert_eq!(shelf.reclaim(now + REST, |_| true), [0]);
        assert_eq!(shelf.put("c"), Some(Put::New(0)));
    }
}
