//! Time, read once per turn of the loop, and the deadlines of slots.

use std::collections::BTreeSet;
use std::ops::Add;
use std::time::{Duration, Instant};

/// Microseconds since the worker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Micros(u64);

impl Micros {
    /// Returns the time from `earlier` to this; zero if this is not later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Micros {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Clock of a worker.
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(&self) -> Micros {
        Micros::default() + self.0.elapsed()
    }
}

/// Returns the first of some times; `None`: there is none.
pub(super) fn first<const N: usize>(times: [Option<Micros>; N]) -> Option<Micros> {
    // no loop over options: this is evaluated before each wait
    let first =
        times.into_iter().fold(u64::MAX, |first, time| first.min(time.map_or(u64::MAX, |time| time.0)));
    (first < u64::MAX).then_some(Micros(first))
}

/// Next check of each slot: at most one time per slot, never later than requested.
///
/// Each check requests the next one, so a deadline that moves away costs nothing, and one that is no longer needed
/// is left where it is: the next connection in the slot mostly finds a time that is early enough for it.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queue: BTreeSet<(Micros, u32)>,
    by_slot: Vec<Option<Micros>>,
}

impl Deadlines {
    /// Requests a check of the slot by `due`, perhaps earlier.
    pub(super) fn look_at(&mut self, slot: u32, due: Micros) {
        let index = slot as usize;
        if index >= self.by_slot.len() {
            self.by_slot.resize(index + 1, None);
        }
        let known = &mut self.by_slot[index];
        match *known {
            Some(earlier) if earlier <= due => return,
            Some(later) => {
                self.queue.remove(&(later, slot));
            }
            None => {}
        }
        *known = Some(due);
        self.queue.insert((due, slot));
    }

    /// Time at which the first slot is due; `None`: no slot is.
    pub(super) fn next(&self) -> Option<Micros> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// Takes a slot that is due.
    // asked in every turn of the loop, mostly for nothing
    #[inline]
    pub(super) fn pop_due(&mut self, now: Micros) -> Option<u32> {
        let (due, slot) = *self.queue.first()?;
        if due > now {
            return None;
        }
        self.queue.pop_first();
        if let Some(known) = self.by_slot.get_mut(slot as usize) {
            *known = None;
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Micros {
        Micros::default() + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_first_time_is_found_where_there_is_one() {
        assert_eq!(first([None, Some(at(20)), None, Some(at(7))]), Some(at(7)));
        assert_eq!(first([None, None]), None);
    }

    #[test]
    fn a_slot_is_looked_at_once_at_the_earliest_time() {
        let mut deadlines = Deadlines::default();
        deadlines.look_at(7, at(50));
        deadlines.look_at(7, at(90));
        deadlines.look_at(7, at(20));
        deadlines.look_at(3, at(30));
        assert_eq!(deadlines.pop_due(at(10)), None);
        assert_eq!(deadlines.next(), Some(at(20)));
        assert_eq!((deadlines.pop_due(at(60)), deadlines.pop_due(at(60))), (Some(7), Some(3)));
        assert_eq!((deadlines.pop_due(at(99)), deadlines.next()), (None, None));
    }
}
