//! Virtual IPs of tag-based services, which have no resource with a status.
//!
//! Each proxy gets them together with their host names from the control plane that it is attached to: they are not
//! stored. They are computed from names, like those of other services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::topology::{InboundState, MeshServicesMode};
use model::{AddressRange, Resource, Spec, Tags};
use plan::TagAddresses;
use xxhash_rust::xxh3::xxh3_64;

use super::vips::places;

/// Result of assigning addresses to tag-based services.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenToTags {
    /// Address of each service.
    pub(crate) addresses: TagAddresses,
    /// Number of services without an address, because none is left.
    pub(crate) without: usize,
}

/// Assigns an address to every tag-based service of a mesh that uses such addresses. Services in `had` keep theirs.
pub(crate) fn give<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
    range: AddressRange,
    had: &TagAddresses,
) -> GivenToTags {
    let services = services(resources);
    let mut given = GivenToTags::default();
    let mut held: BTreeSet<IpAddr> = BTreeSet::new();
    let mut lacking = Vec::new();
    for (mesh, service) in services {
        let service = (mesh.to_owned(), service.to_owned());
        match had.get(&service).filter(|had| range.contains(**had) && !held.contains(had)) {
            Some(address) => {
                held.insert(*address);
                given.addresses.insert(service, *address);
            }
            None => lacking.push(service),
        }
    }
    for (mesh, service) in lacking {
        let hash = xxh3_64(format!("{mesh}/{service}").as_bytes());
        let is_full = u64::try_from(held.len()).is_ok_and(|held| held >= range.room());
        let free = places(range, hash).find(|address| !is_full && !held.contains(address));
        match free {
            Some(address) => {
                held.insert(address);
                given.addresses.insert((mesh, service), address);
            }
            None => given.without += 1,
        }
    }
    given
}

/// Virtual IPs that a new Kuma assigns to the tag-based services of meshes that it has never seen: in each mesh in the
/// order of their names, from the first address of a range on (spec 04 §2).
pub fn as_if_new<'a>(resources: impl IntoIterator<Item = &'a Resource>, range: AddressRange) -> TagAddresses {
    let mut places: BTreeMap<&str, u64> = BTreeMap::new();
    let numbered = services(resources).into_iter().filter_map(|(mesh, service)| {
        let place = places.entry(mesh).or_default();
        let address = range.nth(*place)?;
        *place += 1;
        Some(((mesh.to_owned(), service.to_owned()), address))
    });
    numbered.collect()
}

/// Tag-based services, each with its mesh: of Dataplanes, outside the mesh, and in other zones.
fn services<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> BTreeSet<(&'a str, &'a str)> {
    let mut modes: BTreeMap<&str, MeshServicesMode> = BTreeMap::new();
    let mut found: BTreeSet<(&str, &str)> = BTreeSet::new();
    for resource in resources {
        let mesh = resource.meta().mesh.as_str();
        let mut add = |mesh: &'a str, tags: &'a Tags| {
            found.extend(tags.service().filter(|service| !service.is_empty()).map(|service| (mesh, service)));
        };
        match resource.spec() {
            Spec::Mesh(spec) => drop(modes.insert(resource.meta().name.as_str(), spec.mesh_services)),
            Spec::Dataplane(dataplane) => {
                let known = dataplane.inbound.iter().filter(|it| it.state != InboundState::Ignored);
                known.for_each(|it| add(mesh, &it.tags));
            }
            Spec::ExternalService(service) => add(mesh, &service.tags),
            Spec::ZoneIngress(ingress) => ingress.available.iter().for_each(|it| add(&it.mesh, &it.tags)),
            _ => {}
        }
    }
    found.retain(|(mesh, _)| modes.get(mesh) != Some(&MeshServicesMode::Exclusive));
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::addresses::tests::read;

    const MESHES: &str = "
type: Mesh
name: default
---
type: Mesh
name: real
meshServices: {mode: Exclusive}
---
type: Dataplane
mesh: real
name: db-1
networking: {address: 10.0.0.9, inbound: [{port: 1, tags: {kuma.io/service: db}}]}
---
type: Dataplane
mesh: default
name: redis-1
networking: {address: 10.0.0.1, inbound: [{port: 1, tags: {kuma.io/service: redis}}, {port: 2, tags: {kuma.io/service: admin}}]}
---
type: ExternalService
mesh: default
name: outside
tags: {kuma.io/service: outside}
networking: {address: 'example.com:80'}
---
type: ZoneIngress
name: west
zone: west
networking: {address: 10.0.1.3, port: 10001}
availableServices: [{mesh: default, instances: 1, tags: {kuma.io/service: ledger}}]
";

    fn given(text: &str, range: &str, had: &TagAddresses) -> GivenToTags {
        let resources = read(text);
        give(resources.iter().map(Arc::as_ref), range.parse().unwrap(), had)
    }

    #[test]
    fn each_service_has_an_address_of_its_own_that_its_name_says() {
        let GivenToTags { addresses, without } = given(MESHES, "240.0.0.0/8", &TagAddresses::default());
        let services: Vec<&str> = addresses.keys().map(|(_, service)| service.as_str()).collect();
        assert_eq!((services, without), (vec!["admin", "ledger", "outside", "redis"], 0));
        let distinct: BTreeSet<&IpAddr> = addresses.values().collect();
        assert_eq!(distinct.len(), 4);
        let alone = given(&MESHES.replace("redis", "other"), "240.0.0.0/8", &TagAddresses::default());
        let ledger = ("default".to_owned(), "ledger".to_owned());
        assert_eq!(alone.addresses[&ledger], addresses[&ledger], "others change nothing");
    }

    #[test]
    fn a_new_mesh_is_numbered_as_kuma_does_it() {
        let resources = read(MESHES);
        let given = as_if_new(resources.iter().map(Arc::as_ref), "240.0.0.0/8".parse().unwrap());
        let said: Vec<String> =
            given.iter().map(|((_, service), address)| format!("{service} {address}")).collect();
        assert_eq!(said, ["admin 240.0.0.0", "ledger 240.0.0.1", "outside 240.0.0.2", "redis 240.0.0.3"]);
    }

    #[test]
    fn who_has_an_address_keeps_it_and_a_full_range_is_said() {
        let redis = ("default".to_owned(), "redis".to_owned());
        let had = TagAddresses::from([(redis.clone(), "240.0.0.1".parse().unwrap())]);
        let GivenToTags { addresses, without } = given(MESHES, "240.0.0.0/30", &had);
        assert_eq!(addresses[&redis], had[&redis]);
        assert_eq!((addresses.len(), without), (2, 2));
        let moved = given(MESHES, "10.0.0.0/8", &had);
        assert!(moved.addresses[&redis].to_string().starts_with("10."), "{moved:?}");
    }
}
