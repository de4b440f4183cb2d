//! Host names of the destinations that a proxy dials by virtual IP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Kind, Resource, Spec};

use super::endpoints::external;
use super::facts::Facts;
use crate::plan::{Destination, Direction, Listener};
use crate::view::View;

/// Suffix of the names of tag-based services.
const SUFFIX: &str = "mesh";

/// Returns the names of the services whose virtual IPs are among the outbounds; none unless connections are
/// redirected. Real services have the names in their statuses, tag-based ones `SERVICE.mesh`, and the same with a
/// dot for each `_`.
pub(super) fn of_proxy(
    view: &View<'_>,
    facts: &Facts<'_>,
    listeners: &[Arc<Listener>],
) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    if !facts.transparent() {
        return names;
    }
    // a service outside the mesh has no name for its host
    let outside = external::of_mesh(view.reader(), facts).into_iter();
    let hosts: BTreeSet<IpAddr> = outside.filter_map(|(_, spec)| spec.host.parse().ok()).collect();
    let mut dialled: BTreeSet<IpAddr> = BTreeSet::new();
    for listener in listeners {
        let Direction::Outbound(destination) = &listener.direction else { continue };
        let Ok(address) = listener.bind.address.parse::<IpAddr>() else { continue };
        match destination {
            Destination::Resource { .. } => drop(dialled.insert(address)),
            Destination::Tags(tags) if !address.is_loopback() && !hosts.contains(&address) => {
                let service = tags.service().unwrap_or_default().to_ascii_lowercase();
                for name in [service.clone(), service.replace('_', ".")] {
                    names.entry(format!("{name}.{SUFFIX}")).or_default().insert(address);
                }
            }
            Destination::Tags(_) => {}
        }
    }
    for kind in [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService] {
        for resource in view.of_kind(kind) {
            let (vips, host_names) = addresses(resource);
            let vips = vips.iter().filter_map(|vip| vip.parse().ok());
            let vips: Vec<IpAddr> = vips.filter(|vip| dialled.contains(vip)).collect();
            for name in host_names.iter().filter(|_| !vips.is_empty()) {
                names.entry(name.to_ascii_lowercase()).or_default().extend(&vips);
            }
        }
    }
    names
}

fn addresses(resource: &Resource) -> (&[String], &[String]) {
    match resource.spec() {
        Spec::MeshService(service) => (&service.vips, &service.host_names),
        Spec::MeshMultiZoneService(service) => (&service.vips, &service.host_names),
        Spec::MeshExternalService(service) => (service.vip.as_slice(), &service.host_names),
        _ => (&[], &[]),
    }
}
