//! Received notes of other control planes.

use std::collections::{BTreeMap, BTreeSet};

use change::replica::Replica;

use super::notes;

/// Received notes of other control planes, by their names on the board.
#[derive(Debug, Default)]
pub(super) struct Book {
    replicas: BTreeMap<String, Replica>,
    alive: BTreeSet<String>,
}

impl Book {
    /// Takes in new notes, and the set of live control planes.
    pub(super) fn take(&mut self, news: Vec<(String, String, Option<String>)>, alive: BTreeSet<String>) {
        for (who, name, value) in news {
            let replica = self.of(who);
            notes::take(replica, &name, value.as_deref());
        }
        for who in &alive {
            self.of(who.clone());
        }
        self.alive = alive;
    }

    /// Returns the live ones. The notes of others are kept: they may only have been held up.
    pub(super) fn living(&self) -> Vec<Replica> {
        let living = self.replicas.iter().filter(|(who, _)| self.alive.contains(*who));
        let mut living: Vec<Replica> = living.map(|(_, replica)| replica.clone()).collect();
        living.sort_by(|a, b| a.name.cmp(&b.name));
        living
    }

    fn of(&mut self, who: String) -> &mut Replica {
        let name = who.as_str().into();
        self.replicas.entry(who).or_insert_with(|| Replica::new(name))
    }
}
