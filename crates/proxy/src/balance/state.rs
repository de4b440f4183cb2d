//! What advances from one connection to the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Draw, Draws};

/// The turn that each cluster is at.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    start: u64,
    taken: BTreeMap<Arc<str>, u64>,
}

impl Turns {
    /// The number of the next turn of a cluster.
    pub fn of(&self, cluster: &str) -> u64 {
        self.taken.get(cluster).copied().unwrap_or(self.start)
    }

    /// Takes a turn.
    pub fn advance(&mut self, cluster: &Arc<str>) {
        let next = self.of(cluster).wrapping_add(1);
        match self.taken.get_mut(&**cluster) {
            Some(turn) => *turn = next,
            None => {
                self.taken.insert(Arc::clone(cluster), next);
            }
        }
    }
}

/// Where one listener of one worker is in its draws and turns. It survives every change of configuration.
#[derive(Clone, Debug)]
pub struct Balance {
    draws: Draws,
    turns: Turns,
}

impl Balance {
    /// Begins at a phase of its own: different seeds for different workers keep them out of step.
    pub fn seeded(seed: u64) -> Self {
        Self { draws: Draws::starting_at(seed), turns: Turns { start: seed >> 40, taken: BTreeMap::new() } }
    }

    /// The draw for a new connection.
    pub fn draw(&mut self) -> Draw {
        self.draws.next_draw()
    }

    /// The turns, for deciding.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Notes that a connection took a cluster's turn.
    pub fn advance(&mut self, cluster: &Arc<str>) {
        self.turns.advance(cluster);
    }
}
