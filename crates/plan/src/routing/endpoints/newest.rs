//! Several Dataplanes with one address and port: whoever listens there is one process.
//!
//! A pod gets the address of one that is dead, and whose Dataplane is still there; and on every host some Dataplane says
//! `127.0.0.1`. Of the Dataplanes that offer a destination at one address and port the newest counts, with its tags. Where
//! nothing says which one that is, those that say the same count as one, and others stay beside each other.

use std::collections::BTreeMap;

use model::Resource;

use crate::plan::Endpoint;

/// What was found of a destination: endpoints, each with the Dataplane that it is of.
pub(super) type Found<'a> = Vec<(&'a Resource, Endpoint)>;

/// The endpoints that count, in the order in which they were found.
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

/// Whether two endpoints say the same, whoever offers them.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let Endpoint { priority, zone, address, port, weight, tags, labels: _, offered_by: _, via } = one;
    (address, port) == (&other.address, &other.port)
        && (priority, zone, weight, tags, via)
            == (&other.priority, &other.zone, &other.weight, &other.tags, &other.via)
}
