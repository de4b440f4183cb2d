//! The connections whose TLS sessions hold memory for moving bytes: it is given back when they have been silent for a while.
//!
//! Giving it back after each message would cost more than the message.

use std::time::Duration;

use super::deadlines::Micros;

/// The silence after which memory is given back, and the time between two looks.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// The slots of connections that hold such memory.
#[derive(Debug, Default)]
pub(super) struct Warm {
    slots: Vec<u32>,
    /// The next look; `None`: nobody holds any.
    pub(super) due: Option<Micros>,
}

impl Warm {
    /// Has a connection looked at.
    pub(super) fn note(&mut self, slot: u32, now: Micros) {
        self.slots.push(slot);
        self.due.get_or_insert(now + SILENCE);
    }

    /// Looks at each, and forgets those of which that says that they hold nothing any more.
    pub(super) fn look(&mut self, now: Micros, each: impl FnMut(&u32) -> bool) {
        self.slots.retain(each);
        self.due = (!self.slots.is_empty()).then(|| now + SILENCE);
    }
}
