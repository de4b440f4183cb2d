//! Configuration in force, as known to the process that carries connections.

use std::sync::Arc;

use l4::balance::Roster;
use l4::config::{Cluster, Listener, ProxyName};
use l4::decide::Addresses;

/// Configuration in force.
pub struct Serving<'a> {
    /// Generation of the configuration.
    pub generation: u64,
    /// Open listeners.
    pub listeners: &'a [Arc<Listener>],
    /// Roster of a proxy's cluster: the endpoints that take connections.
    pub roster: &'a dyn Fn(&ProxyName, &Arc<Cluster>) -> Arc<Roster>,
    /// Addresses of endpoints that are host names.
    pub addresses: &'a Addresses,
}
