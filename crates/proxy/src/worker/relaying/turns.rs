//! Turns of connections that move bulk.
//!
//! Each waits in a queue and gets a quantum at a time; the quantum grows while there is no small message, and falls
//! back to the minimum when there is one.

use std::collections::VecDeque;

/// Largest quantum, in reads: of up to the size of a pipe each.
pub(super) const LARGEST_QUANTUM: u32 = 16;

/// Turns of connections that move bulk.
pub(in crate::worker) struct Turns {
    /// Connections that have more to do, in the order of their turns.
    queue: VecDeque<u32>,
    /// Connections that are drained, and will have more by the next check of streams.
    resting: VecDeque<u32>,
    /// Quantum: limit on the reads of a direction in its turn.
    quantum: u32,
    /// `true`: a small message was served since the last round.
    small_seen: bool,
}

impl Default for Turns {
    fn default() -> Self {
        Self { queue: VecDeque::new(), resting: VecDeque::new(), quantum: 1, small_seen: false }
    }
}

impl Turns {
    /// Records that a small message was served.
    pub(super) fn note_small(&mut self) {
        self.small_seen = true;
    }

    /// Queues a connection for its turn.
    pub(super) fn queue(&mut self, slot: u32) {
        self.queue.push_back(slot);
    }

    /// Rests a stream until the next check of streams.
    pub(super) fn rest(&mut self, slot: u32) {
        self.resting.push_back(slot);
    }

    /// Queues those that rested.
    pub(in crate::worker) fn wake_resting(&mut self) {
        self.queue.append(&mut self.resting);
    }

    /// Returns `true` if no connection waits for a turn.
    pub(in crate::worker) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Begins a round: returns the number of its turns, and the quantum of each.
    pub(in crate::worker) fn begin_round(&mut self) -> (usize, u32) {
        if self.queue.is_empty() {
            return (0, self.quantum);
        }
        let small_seen = std::mem::take(&mut self.small_seen);
        self.quantum = if small_seen { 1 } else { (self.quantum * 2).min(LARGEST_QUANTUM) };
        (self.queue.len().min(self.quantum.div_ceil(4) as usize), self.quantum)
    }

    /// Takes the connection whose turn it is.
    pub(in crate::worker) fn next(&mut self) -> Option<u32> {
        self.queue.pop_front()
    }

    /// Forgets all: no connection is left.
    pub(in crate::worker) fn clear(&mut self) {
        self.queue.clear();
        self.resting.clear();
    }
}
