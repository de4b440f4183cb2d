//! Assignment of virtual IPs to services: a place by the hash of the name, or the next free one.
//!
//! A service keeps its address; of two with the same address the later one gets another. So the same services get the
//! same addresses wherever they are computed, with no state but the statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{AddressRange, Kind, Resource, ResourceKey, Spec};
use xxhash_rust::xxh3::xxh3_64;

use super::ranges::Ranges;

/// Limit on remembered addresses of removed services.
const REMEMBERED: usize = 65_536;

/// Former addresses of services: none is given to another service while it is remembered. The control plane that
/// assigns addresses keeps one memory while it runs; a new memory is empty.
#[derive(Clone, Debug, Default)]
pub struct AssignedVips(BTreeMap<IpAddr, ResourceKey>);

impl AssignedVips {
    /// Records the present owners. When too many remembered services are gone, they are forgotten.
    pub(super) fn learn(&mut self, held: BTreeMap<IpAddr, ResourceKey>) {
        let Self(known) = self;
        let count = held.len();
        known.extend(held.clone());
        if known.len() > count + REMEMBERED {
            *known = held;
        }
    }

    fn is_free_for(&self, address: IpAddr, key: &ResourceKey) -> bool {
        self.0.get(&address).is_none_or(|had| had == key)
    }
}

/// Result of assigning addresses.
pub(super) struct Given {
    /// Virtual IPs of each service, in the order of its status.
    pub(super) vips: BTreeMap<ResourceKey, Vec<String>>,
    /// Owner of each address.
    pub(super) held: BTreeMap<IpAddr, ResourceKey>,
    /// Services without an address because their range is full.
    pub(super) without: Vec<(ResourceKey, AddressRange)>,
}

/// Present virtual IPs of a service.
pub(super) fn vips_of(service: &Resource) -> &[String] {
    match service.spec() {
        Spec::MeshService(service) => &service.vips,
        Spec::MeshMultiZoneService(service) => &service.vips,
        Spec::MeshExternalService(service) => service.vip.as_slice(),
        _ => &[],
    }
}

/// Assigns the virtual IPs of all services. The first ones keep their addresses in a conflict.
pub(super) fn give(services: &[&Resource], ranges: &Ranges, memory: &AssignedVips) -> Given {
    let mut given = Given { vips: BTreeMap::new(), held: BTreeMap::new(), without: Vec::new() };
    let mut lacking = Vec::new();
    for service in services {
        let (key, range) = (service.key(), ranges.of(service.kind()));
        let mut keeps = |vip: &&String| {
            let Ok(address) = vip.parse::<IpAddr>() else { return true };
            let owner = given.held.entry(address).or_insert_with(|| key.clone());
            // addresses of another origin may be shared
            *owner == key || !range.is_some_and(|range| range.contains(address))
        };
        let kept: Vec<String> = vips_of(service).iter().filter(|vip| keeps(vip)).cloned().collect();
        match range.filter(|_| kept.is_empty()) {
            Some(range) => lacking.push((key, range)),
            None => drop(given.vips.insert(key, kept)),
        }
    }
    let mut full: BTreeSet<Kind> = BTreeSet::new();
    for (key, range) in lacking {
        let hash = xxh3_64(key.to_string().as_bytes());
        let is_full = full.contains(&key.kind);
        let free = |memory: &AssignedVips| {
            let is_free =
                |address: &IpAddr| !given.held.contains_key(address) && memory.is_free_for(*address, &key);
            places(range, hash).find(is_free)
        };
        // an address of a removed service is better than none
        let found = if is_full { None } else { free(memory).or_else(|| free(&AssignedVips::default())) };
        match found {
            Some(address) => {
                given.held.insert(address, key.clone());
                given.vips.insert(key, vec![address.to_string()]);
            }
            None => {
                full.insert(key.kind);
                given.vips.insert(key.clone(), Vec::new());
                given.without.push((key, range));
            }
        }
    }
    given
}

/// Addresses of a range, from the place of a hash on, wrapping around.
pub(super) fn places(range: AddressRange, hash: u64) -> impl Iterator<Item = IpAddr> {
    let room = range.room();
    let first = hash % room;
    (first..room).chain(0..first).map(move |place| range.at(place))
}
