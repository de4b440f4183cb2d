//! Limits on connections, counted over both data paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use aya::maps::{Array, MapData};
use l4::config::{Cluster, Listener, ProxyName};

use crate::layout::{Gauge, LISTENERS, gauge, read_gauge};

/// Owner of a limit on connections.
#[derive(Clone, Copy, Debug)]
pub enum Limited<'a> {
    /// Listener.
    Listener(&'a Arc<Listener>),
    /// Cluster of a proxy.
    Cluster(&'a ProxyName, &'a Arc<Cluster>),
}

enum Owned {
    Listener(Arc<Listener>),
    Cluster(ProxyName, Arc<Cluster>),
}

/// Listeners and clusters with a limit, by the index of their gauge.
#[derive(Default)]
pub(crate) struct Limits {
    /// Limited listeners and clusters by number, each with the relay's count that programs were told last.
    limited: BTreeMap<u32, (Owned, Option<Gauge>)>,
}

impl Limits {
    /// Removes all.
    pub(crate) fn clear(&mut self) {
        self.limited.clear();
    }

    /// Adds a listener with its number, if it has a limit.
    pub(crate) fn listener(&mut self, number: u32, listener: &Arc<Listener>) {
        if listener.max_connections.is_some() {
            self.limited.insert(number, (Owned::Listener(Arc::clone(listener)), None));
        }
    }

    /// Adds a cluster with its number, if it has a limit.
    pub(crate) fn cluster(&mut self, number: u32, proxy: &ProxyName, cluster: &Arc<Cluster>) {
        if cluster.max_connections.is_some() || cluster.max_pending.is_some() {
            let owned = Owned::Cluster(proxy.clone(), Arc::clone(cluster));
            self.limited.insert(LISTENERS + number, (owned, None));
        }
    }

    /// Passes the numbers of connections and of pending ones on this path to `exchange`, and writes the numbers of the
    /// other path that it returns for the programs.
    pub(crate) fn share(
        &mut self,
        gauges: &Array<MapData, Gauge>,
        relayed: &mut Array<MapData, Gauge>,
        mut exchange: impl FnMut(Limited<'_>, [u64; 2]) -> [u64; 2],
    ) {
        for (number, (owned, told)) in &mut self.limited {
            let Ok(ours) = gauges.get(number, 0) else { continue };
            let whose = match owned {
                Owned::Listener(listener) => Limited::Listener(listener),
                Owned::Cluster(proxy, cluster) => Limited::Cluster(proxy, cluster),
            };
            let theirs = gauge(exchange(whose, read_gauge(&ours)));
            if *told != Some(theirs) && relayed.set(*number, theirs, 0).is_ok() {
                *told = Some(theirs);
            }
        }
    }
}
