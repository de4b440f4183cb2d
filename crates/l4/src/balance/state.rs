//! State of balancing that advances from one connection to the next.

use super::{Draw, Draws};

/// Position of one listener of one worker in its draws. It survives every change of configuration.
#[derive(Clone, Debug)]
pub struct Balance {
    draws: Draws,
}

impl Balance {
    /// Creates a state with a phase of its own: different seeds for different workers keep them out of step.
    pub fn seeded(seed: u64) -> Self {
        Self { draws: Draws::starting_at(seed) }
    }

    /// Returns the draw for a new connection.
    pub fn draw(&mut self) -> Draw {
        self.draws.next_draw()
    }
}
