//! What is served now, as whoever carries it tells.

use std::sync::Arc;

use l4::balance::Roster;
use l4::config::{Cluster, Listener, ProxyName};
use l4::decide::Addresses;

/// What is served now.
pub struct Serving<'a> {
    /// The number of the configuration.
    pub generation: u64,
    /// The listeners that are open.
    pub listeners: &'a [Arc<Listener>],
    /// Which endpoints of a proxy's cluster take connections.
    pub roster: &'a dyn Fn(&ProxyName, &Arc<Cluster>) -> Arc<Roster>,
    /// The addresses of endpoints that are host names.
    pub addresses: &'a Addresses,
}
