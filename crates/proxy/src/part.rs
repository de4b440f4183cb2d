//! Connections that are carried elsewhere, in limits that count all of them.

use std::sync::Arc;

use l4::config::{Cluster, Listener, ProxyName};

use crate::limits::Places;
use crate::proxy::Proxy;

/// Connections carried elsewhere, in the limits of a listener or a cluster: the proxy counts them as long as this
/// lives.
#[derive(Debug)]
pub struct Part {
    /// Places of connections, and of those that are being established; `None`: not limited here.
    places: [Option<Arc<Places>>; 2],
    elsewhere: [usize; 2],
}

impl Part {
    /// Sets the numbers of connections carried elsewhere, and of those being established; returns the numbers of
    /// those that the proxy carries.
    pub fn exchange(&mut self, elsewhere: [u64; 2]) -> [u64; 2] {
        let mut own = [0; 2];
        for (which, places) in self.places.iter().enumerate() {
            let Some(places) = places else { continue };
            let now = usize::try_from(elsewhere[which]).unwrap_or(usize::MAX);
            let all = places.exchange(std::mem::replace(&mut self.elsewhere[which], now), now);
            own[which] = all.saturating_sub(now) as u64;
        }
        own
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.exchange([0; 2]);
    }
}

impl Proxy {
    /// Returns the part of a listener's connections that is carried elsewhere.
    pub fn part_of_listener(&self, listener: &Listener) -> Part {
        Part { places: [self.shared().bound_of(listener), None], elsewhere: [0; 2] }
    }

    /// Returns the part of the connections to a proxy's cluster that is carried elsewhere.
    pub fn part_of_cluster(&self, proxy: &ProxyName, cluster: &Arc<Cluster>) -> Part {
        Part { places: self.shared().board.cell(proxy, cluster).bounded(), elsewhere: [0; 2] }
    }
}
