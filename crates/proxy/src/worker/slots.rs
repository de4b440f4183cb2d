//! Slots of connections: one vector, with reuse.

use super::connection::Connection;
use super::stage::Stage;

/// Connections of a worker, each with its stage.
#[derive(Default)]
pub(super) struct Slots {
    places: Vec<Option<(Connection, Stage)>>,
    free: Vec<u32>,
    /// Slots freed in this turn of the loop. Events of the same turn may still name them, so they rest until it
    /// ends.
    resting: Vec<u32>,
}

impl Slots {
    /// Adds a connection, which gets its slot.
    pub(super) fn insert(&mut self, connection: impl FnOnce(u32) -> (Connection, Stage)) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            (self.places.len() - 1) as u32
        });
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = Some(connection(slot));
        }
        slot
    }

    /// Drops a connection.
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(place) = self.places.get_mut(slot as usize) {
            *place = None;
            self.resting.push(slot);
        }
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut (Connection, Stage)> {
        self.places.get_mut(slot as usize)?.as_mut()
    }

    /// Ends a turn of the loop.
    pub(super) fn reclaim(&mut self) {
        self.free.append(&mut self.resting);
    }

    /// Number of slots that are taken.
    pub(super) fn taken(&self) -> usize {
        self.places.len() - self.free.len() - self.resting.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Connection, Stage)> {
        self.places.iter().flatten()
    }

    pub(super) fn occupied(&self) -> Vec<u32> {
        let occupied = self.places.iter().enumerate().filter(|(_, place)| place.is_some());
        occupied.map(|(index, _)| index as u32).collect()
    }
}
