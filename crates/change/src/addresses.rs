//! Virtual IPs and host names: the addresses, in the statuses of services, at which clients dial them.
//!
//! ```text
//!  services, HostnameGenerators, ranges ─▶ Addresses ─write─▶ status.vips, status.addresses, status.hostnameGenerators
//! ```
//!
//! A plan only reads the statuses. Where resources are stored, one control plane writes them; for files, [`Filler`]
//! fills them in on every read.

mod filler;
mod host_names;
mod ranges;
pub(crate) mod tags;
mod vips;

use std::collections::BTreeMap;
use std::net::IpAddr;

use host_names::HostNames;
use model::{AddressRange, Kind, Resource, ResourceKey};
use serde_json::{Value, json};
use vips::Given;

pub use filler::Filler;
pub use ranges::Ranges;
pub use tags::as_if_new;
pub use vips::AssignedVips;

/// Kinds of services, with their names in selectors of HostnameGenerators.
const KINDS: [(Kind, &str); 3] = [
    (Kind::MeshService, "meshService"),
    (Kind::MeshExternalService, "meshExternalService"),
    (Kind::MeshMultiZoneService, "meshMultiZoneService"),
];

/// Returns `true` if resources of a kind have virtual IPs and host names.
pub fn has_addresses(kind: Kind) -> bool {
    KINDS.iter().any(|(known, _)| *known == kind)
}

/// Addresses and host names of all services, as their statuses should have them.
#[derive(Debug, Default)]
pub struct Addresses {
    services: BTreeMap<ResourceKey, Service>,
    held: BTreeMap<IpAddr, ResourceKey>,
    without: Vec<(ResourceKey, AddressRange)>,
}

#[derive(Debug)]
struct Service {
    vips: Vec<String>,
    names: HostNames,
}

impl Addresses {
    /// Computes them for all services among some resources, in any order. Older services come first, and keep their
    /// addresses in a conflict.
    pub fn of<'a>(
        resources: impl IntoIterator<Item = &'a Resource>,
        ranges: &Ranges,
        memory: &AssignedVips,
    ) -> Self {
        let resources: Vec<&Resource> = resources.into_iter().collect();
        let services = resources.iter().copied().filter(|resource| has_addresses(resource.kind()));
        let mut services: Vec<&Resource> = services.collect();
        services.sort_by_cached_key(|service| (service.meta().created.unwrap_or(i64::MAX), service.key()));
        let mut names = host_names::of_all(&resources, services.iter().copied());
        let Given { vips, held, without } = vips::give(&services, ranges, memory);
        let whole = |(key, vips)| {
            let names = names.remove(&key).unwrap_or_default();
            (key, Service { vips, names })
        };
        Self { services: vips.into_iter().map(whole).collect(), held, without }
    }

    /// Keys of the services.
    pub fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.services.keys()
    }

    /// Writes the status of a service into its document. Returns `true` if that changed the document; for a resource
    /// that is not a service nothing changes.
    pub fn write(&self, key: &ResourceKey, document: &mut Value) -> bool {
        let Some(Service { vips, names: _ }) = self.services.get(key) else { return false };
        let ip = |vip: &String| json!({ "ip": vip });
        let (member, vips) = match key.kind {
            Kind::MeshExternalService => ("vip", vips.first().map_or_else(|| json!({}), ip)),
            _ => ("vips", vips.iter().map(ip).collect()),
        };
        let given = set(document, member, vips);
        self.write_names(key, document) || given
    }

    /// Writes only the host names. Returns as [`Addresses::write`].
    pub fn write_names(&self, key: &ResourceKey, document: &mut Value) -> bool {
        let Some(Service { vips: _, names }) = self.services.get(key) else { return false };
        let said = document["status"]["addresses"].as_array();
        let by_others = said.into_iter().flatten().filter(|it| it.get("hostnameGeneratorRef").is_none());
        let addresses = by_others.cloned().chain(names.addresses()).collect();
        let named = set(document, "addresses", addresses);
        set(document, "hostnameGenerators", names.generators().into()) || named
    }

    /// Records the owner of each address in a memory.
    pub fn teach(&self, memory: &mut AssignedVips) {
        memory.learn(self.held.clone());
    }

    /// Messages about ranges that have no address left, each with the number of services without one.
    pub fn full(&self) -> Vec<String> {
        let mut counts: BTreeMap<Kind, (AddressRange, usize)> = BTreeMap::new();
        for (key, range) in &self.without {
            counts.entry(key.kind).or_insert((*range, 0)).1 += 1;
        }
        let in_words = |(kind, (range, count)): (Kind, (AddressRange, usize))| {
            format!("no virtual IP is left in {range}: {count} of kind {kind} are without")
        };
        counts.into_iter().map(in_words).collect()
    }
}

/// Sets a member of a status if it differs; an absent member equals an empty one. Returns `true` if it changed.
fn set(document: &mut Value, member: &str, value: Value) -> bool {
    let is_empty = value.as_array().is_some_and(Vec::is_empty) || value == json!({});
    let said = &document["status"][member];
    if *said == value || (is_empty && (said.is_null() || *said == json!({}) || *said == json!([]))) {
        return false;
    }
    if let Some(members) = document.as_object_mut() {
        let status = members.entry("status").or_insert_with(|| json!({}));
        if !status.is_object() {
            *status = json!({});
        }
        status[member] = value;
    }
    true
}

#[cfg(test)]
mod tests;
