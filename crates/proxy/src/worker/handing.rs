//! Handing of accepted connections to a worker with fewer, where they arrive by CPU.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::Worker;
use super::end::reset;
use super::mailbox::Handed;

impl Worker {
    /// Hands an accepted connection to a worker with fewer, if this one has too many. Returns it if it stays here.
    pub(super) fn hand_over(
        &self,
        client: OwnedFd,
        peer: SocketAddr,
        address: SocketAddr,
    ) -> Option<OwnedFd> {
        let own = self.env.worker;
        let Some(neighbours) = &self.env.shared.neighbours else { return Some(client) };
        let taker = neighbours.taker(own, self.slots.taken());
        if taker == own {
            return Some(client);
        }
        match neighbours.offer(taker, self.generation, Handed { client, peer, address, from: own }) {
            Ok(()) => {
                self.env.counters.handed_over.add(1);
                None
            }
            // it is taking over another configuration, or draining
            Err(Handed { client, .. }) => Some(client),
        }
    }

    /// Takes a connection that another worker accepted, as if it had been accepted here.
    pub(super) fn take_over(&mut self, handed: Handed) {
        let Some(neighbours) = &self.env.shared.neighbours else { return };
        neighbours.arrived(self.env.worker);
        let is_there = |address: SocketAddr| {
            let mut sockets = self.env.sockets.iter();
            sockets.position(|socket| socket.as_ref().is_some_and(|socket| socket.address == address))
        };
        match is_there(handed.address) {
            Some(index) => self.arrive(index, handed.client, handed.peer),
            // its listener was closed while it was on its way back
            None if handed.from == self.env.worker => reset(&handed.client),
            // no socket could be opened for this worker
            None => neighbours.give_back(handed),
        }
    }
}
