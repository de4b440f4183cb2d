//! Connections whose TLS sessions hold memory for moving bytes: it is freed after a while of silence.
//!
//! Freeing it after each message would cost more than the message.

use std::time::Duration;

use super::deadlines::Micros;

/// Silence after which memory is freed, and interval between two checks.
///
/// Short, so that of connections that are opened one after another, as a pool is, the next ones get what the first ones
/// gave back: what was allocated for all of them at once stays with the process.
pub(super) const SILENCE: Duration = Duration::from_millis(100);

/// Slots of connections that hold such memory.
#[derive(Debug, Default)]
pub(super) struct Warm {
    slots: Vec<u32>,
    /// Time of the next check; `None`: no connection holds any.
    pub(super) due: Option<Micros>,
}

impl Warm {
    /// Adds a connection to the checks.
    pub(super) fn note(&mut self, slot: u32, now: Micros) {
        self.slots.push(slot);
        self.due.get_or_insert(now + SILENCE);
    }

    /// Calls `each` for each slot, and removes those for which it returns that they hold nothing any more.
    pub(super) fn look(&mut self, now: Micros, each: impl FnMut(&u32) -> bool) {
        self.slots.retain(each);
        self.due = (!self.slots.is_empty()).then(|| now + SILENCE);
    }
}
