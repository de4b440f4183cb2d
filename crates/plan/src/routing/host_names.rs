//! The host names of what a proxy dials by virtual IP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Kind, Resource, Spec};

use super::facts::Facts;
use crate::plan::{Direction, Listener};
use crate::view::View;

/// The names of the services whose virtual IPs are among the outbounds. Nobody dials one unless connections are redirected.
pub(super) fn of_proxy(
    view: &View<'_>,
    facts: &Facts<'_>,
    listeners: &[Arc<Listener>],
) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let mut names: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
    if !facts.transparent() {
        return names;
    }
    let outbounds = listeners.iter().filter(|it| matches!(it.direction, Direction::Outbound(_)));
    let dialled: BTreeSet<IpAddr> = outbounds.filter_map(|it| it.bind.address.parse().ok()).collect();
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
