//! Choice of the listener for a redirected connection, by its original destination.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::{Arrival, Destinations, Direction, Listener};

/// Captured listeners of one proxy and direction, by their destinations.
///
/// An address with its port is one look-up, whatever the number of listeners; networks are searched in order.
#[derive(Debug)]
pub struct Claims<T> {
    only: BTreeMap<SocketAddr, T>,
    networks: Vec<(Destinations, T)>,
    /// Inbounds by their port: a host may have several addresses, and a client that dials another one is to meet the
    /// same listener.
    ports: BTreeMap<u16, T>,
}

impl<T: Clone> Claims<T> {
    /// Collects the captured listeners, each with its value; others are left out.
    pub fn of<'l>(listeners: impl IntoIterator<Item = (&'l Listener, T)>) -> Self {
        let mut claims = Self { only: BTreeMap::new(), networks: Vec::new(), ports: BTreeMap::new() };
        for (listener, it) in listeners {
            let Arrival::Captured(destinations) = &listener.arrival else { continue };
            if let (Direction::Inbound, Some(port)) = (listener.direction, destinations.port()) {
                claims.ports.entry(port.get()).or_insert_with(|| it.clone());
            }
            match destinations.only() {
                Some(only) => drop(claims.only.insert(only, it)),
                None => claims.networks.push((*destinations, it)),
            }
        }
        claims.networks.sort_by_key(|(destinations, _)| Reverse(destinations.specificity()));
        claims
    }

    /// Value of the best match for a destination: by its address and port, then by a network with its port, then by a
    /// network; of inbounds at last by its port alone. `None`: no listener matches.
    pub fn best(&self, destination: SocketAddr) -> Option<&T> {
        let by_network = || self.networks.iter().find(|(destinations, _)| destinations.contain(destination));
        self.only
            .get(&destination)
            .or_else(|| by_network().map(|(_, it)| it))
            .or_else(|| self.ports.get(&destination.port()))
    }
}
