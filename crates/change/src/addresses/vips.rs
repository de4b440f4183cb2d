//! Which service has which virtual IP: a place by the hash of its name, the next one that is free where that is taken.
//!
//! What a service has already it keeps; of two that have one address the later gets another. So the same services get the
//! same addresses wherever that is worked out, with nothing kept but what statuses say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{AddressRange, Kind, Resource, ResourceKey, Spec};
use xxhash_rust::xxh3::xxh3_64;

use super::ranges::Ranges;

/// How many addresses are remembered of services that are gone.
const REMEMBERED: usize = 65_536;

/// The addresses that services had: none is given to another service while it is remembered. What takes it over keeps it for
/// as long as it lives; a new one remembers nothing.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<IpAddr, ResourceKey>);

impl Memory {
    /// Remembers who has what now. When too many of those that are remembered are gone, they are forgotten.
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

/// What came of giving addresses.
pub(super) struct Given {
    /// The virtual IPs that each service is to have, in the order of its status.
    pub(super) vips: BTreeMap<ResourceKey, Vec<String>>,
    /// Who has which address.
    pub(super) held: BTreeMap<IpAddr, ResourceKey>,
    /// The services that get none because their range is full.
    pub(super) without: Vec<(ResourceKey, AddressRange)>,
}

/// The virtual IPs that a service has now.
pub(super) fn vips_of(service: &Resource) -> &[String] {
    match service.spec() {
        Spec::MeshService(service) => &service.vips,
        Spec::MeshMultiZoneService(service) => &service.vips,
        Spec::MeshExternalService(service) => service.vip.as_slice(),
        _ => &[],
    }
}

/// Gives every service what it is to have. Those that come first keep what they have.
pub(super) fn give(services: &[&Resource], ranges: &Ranges, memory: &Memory) -> Given {
    let mut given = Given { vips: BTreeMap::new(), held: BTreeMap::new(), without: Vec::new() };
    let mut lacking = Vec::new();
    for service in services {
        let (key, range) = (service.key(), ranges.of(service.kind()));
        let mut keeps = |vip: &&String| {
            let Ok(address) = vip.parse::<IpAddr>() else { return true };
            let owner = given.held.entry(address).or_insert_with(|| key.clone());
            // what somebody else gives may be shared
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
        let free = |memory: &Memory| {
            let is_free =
                |address: &IpAddr| !given.held.contains_key(address) && memory.is_free_for(*address, &key);
            places(range, hash).find(is_free)
        };
        // an address of somebody who is gone is better than none
        let found = if is_full { None } else { free(memory).or_else(|| free(&Memory::default())) };
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

/// The addresses of a range, from the place of a hash on and around.
pub(super) fn places(range: AddressRange, hash: u64) -> impl Iterator<Item = IpAddr> {
    let room = range.room();
    let first = hash % room;
    (first..room).chain(0..first).map(move |place| range.at(place))
}
