//! The turns of connections that move bulk.
//!
//! Each waits in a queue and gets a quantum at a time; the quantum grows while no small message shows up, and falls
//! back to the least when one does.

use std::collections::VecDeque;

/// The largest quantum, in reads: at the size of a pipe each.
pub(super) const LARGEST_QUANTUM: u32 = 16;

/// The turns of connections that move bulk.
pub(in crate::worker) struct Turns {
    /// Those that have more to do, in the order of their turns.
    queue: VecDeque<u32>,
    /// Those that moved all that was there, and will have more by the next look at streams.
    resting: VecDeque<u32>,
    /// The reads that a direction may do in its turn.
    quantum: u32,
    /// A small message was served since the last round.
    small_seen: bool,
}

impl Default for Turns {
    fn default() -> Self {
        Self { queue: VecDeque::new(), resting: VecDeque::new(), quantum: 1, small_seen: false }
    }
}

impl Turns {
    /// Notes that a small message was served.
    pub(super) fn note_small(&mut self) {
        self.small_seen = true;
    }

    /// Has a connection wait for its turn.
    pub(super) fn queue(&mut self, slot: u32) {
        self.queue.push_back(slot);
    }

    /// Leaves a stream alone until the next look at streams.
    pub(super) fn rest(&mut self, slot: u32) {
        self.resting.push_back(slot);
    }

    /// Queues those that rested.
    pub(in crate::worker) fn wake_resting(&mut self) {
        self.queue.append(&mut self.resting);
    }

    /// Whether nobody waits for a turn.
    pub(in crate::worker) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Begins a round: the number of its turns, and the quantum of each.
    pub(in crate::worker) fn begin_round(&mut self) -> (usize, u32) {
        if self.queue.is_empty() {
            return (0, self.quantum);
        }
        let small_seen = std::mem::take(&mut self.small_seen);
        self.quantum = if small_seen { 1 } else { (self.quantum * 2).min(LARGEST_QUANTUM) };
        (self.queue.len().min(self.quantum.div_ceil(4) as usize), self.quantum)
    }

    /// The connection whose turn it is.
    pub(in crate::worker) fn next(&mut self) -> Option<u32> {
        self.queue.pop_front()
    }

    /// Forgets all: no connection is left.
    pub(in crate::worker) fn clear(&mut self) {
        self.queue.clear();
        self.resting.clear();
    }
}
