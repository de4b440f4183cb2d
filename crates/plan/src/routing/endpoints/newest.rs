//! Deduplication of Dataplanes with one address and port: only one process can listen there.
//!
//! A pod may get the address of a dead one whose Dataplane still exists; and on every host some Dataplane has
//! `127.0.0.1`. Of the Dataplanes that offer a destination at one address and port the newest is used, with its
//! tags. If their age is unknown, equal ones become one endpoint, and the others stay beside each other.

use std::collections::BTreeMap;

use model::Resource;

use crate::plan::Endpoint;

/// Endpoints of a destination, each with its Dataplane.
pub(super) type Found<'a> = Vec<(&'a Resource, Endpoint)>;

/// Returns the endpoints that are used, in the order in which they were found.
pub(super) fn of_each_address(found: Found<'_>) -> Vec<Endpoint> {
    let mut newest: BTreeMap<(&str, u32), Option<i64>> = BTreeMap::new();
    for (resource, endpoint) in &found {
        let created = newest.entry((&endpoint.address, endpoint.port)).or_default();
        *created = resource.meta().created.max(*created);
    }
    if newest.len() == found.len() {
        return found.into_iter().map(|(_, endpoint)| endpoint).collect();
    }
    let is_newest = |(resource, it): &(&Resource, Endpoint)| {
        newest.get(&(it.address.as_str(), it.port)) == Some(&resource.meta().created)
    };
    let counts: Vec<bool> = found.iter().map(is_newest).collect();
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(newest.len());
    for ((_, endpoint), counts) in found.into_iter().zip(counts) {
        if counts && !endpoints.iter().any(|other| is_same(other, &endpoint)) {
            endpoints.push(endpoint);
        }
    }
    endpoints
}

/// Returns `true` if two endpoints are equal, whatever resource offers them.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let Endpoint { priority, zone, address, port, weight, group: _, tags, labels: _, offered_by: _, via } =
        one;
    (address, port) == (&other.address, &other.port)
        && (priority, zone, weight, tags, via)
            == (&other.priority, &other.zone, &other.weight, &other.tags, &other.via)
}
