//! Contents of adopted tables, by place: the adopting process keeps everything where its predecessor had it, so that earlier
//! connections count where they did, and walks of draws and turns go on.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aya::maps::MapError;

use crate::layout::{self, Destination};
use crate::program::Maps;

/// Places of adopted tables by their contents, as far as new connections reach them. The others are not free either: live
/// connections may count there.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Entries of listeners.
    pub(crate) written: BTreeMap<Destination, layout::Listener>,
    pub(crate) routes: BTreeMap<Box<[u8]>, u32>,
    pub(crate) clusters: BTreeMap<Box<[u8]>, u32>,
    pub(crate) endpoints: BTreeMap<SocketAddr, u32>,
    /// Numbers of listeners, by the digest of their name.
    pub(crate) listeners: BTreeMap<u64, u32>,
    /// Numbers of clusters, by the digest of their name.
    pub(crate) numbers: BTreeMap<u64, u32>,
    /// Numbers of places that were ever given away.
    pub(crate) used: Used,
}

/// Numbers of places that were ever given away, by table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) routes: u32,
    pub(crate) clusters: u32,
    pub(crate) endpoints: u32,
    pub(crate) listeners: u32,
    pub(crate) numbers: u32,
}

impl Inherited {
    /// Reads the tables.
    pub(crate) fn read(maps: &Maps) -> Result<Self, MapError> {
        let mut found = Self { used: Used::of(maps), ..Self::default() };
        for entry in maps.listeners.iter() {
            let (destination, listener) = entry?;
            found.written.insert(destination, listener);
            let Some((slot, number, name)) = layout::read_listener(&listener) else { continue };
            found.listeners.insert(name, number);
            let route = maps.routes.get(&slot, 0)?;
            for slot in layout::read_route(&route).unwrap_or_default() {
                found.read_cluster(slot, maps)?;
            }
            found.routes.insert(route.into(), slot);
        }
        Ok(found)
    }

    fn read_cluster(&mut self, slot: u32, maps: &Maps) -> Result<(), MapError> {
        let cluster = maps.clusters.get(&slot, 0)?;
        let Some((number, name, addresses)) = layout::read_turns(&cluster) else { return Ok(()) };
        self.numbers.insert(name, number);
        for number in addresses {
            let address = layout::read_endpoint(&maps.endpoints.get(&number, 0)?);
            self.endpoints.extend(address.map(|address| (address, number)));
        }
        self.clusters.insert(cluster.into(), slot);
        Ok(())
    }
}

impl Used {
    fn of(maps: &Maps) -> Self {
        // nothing that is written there is all zeros; draws and turns begin by chance
        let is_some = |bytes: &[u8]| bytes.iter().any(|byte| *byte != 0);
        Self {
            routes: used(layout::ROUTES, |at| maps.routes.get(at, 0).is_ok_and(|it| is_some(&it))),
            clusters: used(layout::CLUSTERS, |at| maps.clusters.get(at, 0).is_ok_and(|it| is_some(&it))),
            endpoints: used(layout::ENDPOINTS, |at| maps.endpoints.get(at, 0).is_ok_and(|it| is_some(&it))),
            listeners: used(layout::LISTENERS, |at| maps.draws.get(at, 0).is_ok_and(|draw| draw != 0)),
            numbers: used(layout::CLUSTERS, |at| maps.turns.get(at, 0).is_ok_and(|turn| turn != 0)),
        }
    }
}

fn used(places: u32, is_written: impl Fn(&u32) -> bool) -> u32 {
    (0..places).rev().find(is_written).map_or(0, |last| last + 1)
}
