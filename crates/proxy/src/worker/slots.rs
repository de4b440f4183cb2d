//! Where connections are kept: one vector, places used again.

use super::connection::Connection;

/// The connections of a worker.
#[derive(Default)]
pub(super) struct Slots {
    places: Vec<Option<Connection>>,
    free: Vec<u32>,
    /// Given up in this turn of the loop. Events of the same turn may still name them, so they rest until it ends.
    resting: Vec<u32>,
}

impl Slots {
    /// Keeps a connection.
    pub(super) fn insert(&mut self, connection: Connection) -> u32 {
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.places.get_mut(slot as usize)
        {
            *place = Some(connection);
            return slot;
        }
        self.places.push(Some(connection));
        (self.places.len() - 1) as u32
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Connection> {
        self.places.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.places.get_mut(slot as usize)?.take()?;
        self.resting.push(slot);
        Some(connection)
    }

    /// Ends a turn of the loop.
    pub(super) fn reclaim(&mut self) {
        self.free.append(&mut self.resting);
    }

    /// How many there are.
    pub(super) fn live(&self) -> usize {
        self.places.len() - self.free.len() - self.resting.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.places.iter().flatten()
    }

    pub(super) fn iter_with_slots(&self) -> impl Iterator<Item = (u32, &Connection)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(index, place)| place.as_ref().map(|connection| (index as u32, connection)))
    }

    pub(super) fn occupied(&self) -> Vec<u32> {
        let occupied = self.places.iter().enumerate().filter(|(_, place)| place.is_some());
        occupied.map(|(index, _)| index as u32).collect()
    }
}
