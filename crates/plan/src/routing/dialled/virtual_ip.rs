//! Outbounds of virtual IPs, for proxies that the kernel redirects connections to (spec 04 §2).

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::reference::SERVICE_TAG;
use model::topology::{DataplaneOutbound, ExternalService, MeshServicesMode, OutboundTarget};
use model::{Kind, Resource, Spec, Tags};

use super::reachable;
use crate::dialled::{Dialled, DialledTarget};
use crate::routing::endpoints::external;
use crate::routing::facts::Facts;
use crate::view::View;

/// Returns one outbound for each virtual IP and port that the proxy may reach.
pub(super) fn of_proxy(view: &View<'_>, facts: &Facts<'_>) -> Vec<Dialled> {
    let mut dialled = Vec::new();
    if facts.profile.has_real_outbounds() {
        for kind in [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService] {
            for resource in view.of_kind(kind) {
                of_resource(view, facts, resource, &mut dialled);
            }
        }
    }
    if facts.mesh_services != MeshServicesMode::Exclusive && facts.profile.has_tag_outbounds() {
        of_tags(view, facts, &mut dialled);
    }
    dialled.retain(|outbound| !is_own_inbound(view, outbound));
    dialled
}

/// Returns `true` if an address is the virtual IP of some service.
pub(super) fn is_generated(view: &View<'_>, address: &str) -> bool {
    let kinds = [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService];
    kinds.into_iter().flat_map(|kind| view.of_kind(kind)).any(|resource| vips(resource).contains(&address))
        || view.reader().tag_addresses(view.mesh_name()).any(|(_, given)| given.to_string() == address)
}

fn of_resource(view: &View<'_>, facts: &Facts<'_>, resource: &Resource, dialled: &mut Vec<Dialled>) {
    let ports: Vec<(u16, String)> = match resource.spec() {
        Spec::MeshService(service) => ports(&service.ports),
        Spec::MeshMultiZoneService(service) => ports(&service.ports),
        Spec::MeshExternalService(service) => {
            let has_section = facts.profile.external_service_has_section();
            let section = if has_section { service.port.to_string() } else { String::new() };
            u16::try_from(service.port).map(|port| (port, section)).into_iter().collect()
        }
        _ => return,
    };
    for address in vips(resource) {
        for (port, section) in &ports {
            if reachable::is_real(view, facts, resource, section) {
                let target = DialledTarget::Resource(resource.id().with_section(section.as_str()));
                dialled.push(Dialled { address: address.to_owned(), port: *port, target, marked: None });
            }
        }
    }
}

fn ports(ports: &[model::topology::ServicePort]) -> Vec<(u16, String)> {
    let named = |port: &model::topology::ServicePort| {
        u16::try_from(port.port).ok().map(|number| (number, port.effective_name()))
    };
    ports.iter().filter_map(named).collect()
}

/// Port of the virtual IP of a tag-based service.
const TAG_PORT: u16 = 80;

/// Adds the virtual IPs of tag-based services; one outside the mesh is dialled at its own port too, and at its host.
/// Those in outbounds of the Dataplane are used as they are, and replace the generated one of the same service.
fn of_tags(view: &View<'_>, facts: &Facts<'_>, dialled: &mut Vec<Dialled>) {
    let outside: Vec<&ExternalService> =
        external::of_mesh(view.reader(), facts).into_iter().map(|(_, spec)| spec).collect();
    let written: Vec<(&str, u16, &str)> = view.dataplane().outbound.iter().filter_map(written).collect();
    let mut seen = BTreeSet::new();
    let mut add = |address: String, port: u16, service: &str| {
        if reachable::is_tag(view, service) && seen.insert((address.clone(), port)) {
            let target = DialledTarget::Tags(Tags::from_iter([(SERVICE_TAG, service)]));
            dialled.push(Dialled { address, port, target, marked: None });
        }
    };
    for (service, address) in view.reader().tag_addresses(view.mesh_name()) {
        if written.iter().any(|(_, _, by_hand)| *by_hand == service) {
            continue;
        }
        add(address.to_string(), TAG_PORT, service);
        for spec in outside.iter().filter(|spec| spec.tags.service() == Some(service)) {
            add(address.to_string(), spec.port, service);
            if spec.is_dialled_by_host && spec.host.parse::<IpAddr>().is_ok() {
                add(spec.host.clone(), spec.port, service);
            }
        }
    }
    for (address, port, service) in written {
        add(address.to_owned(), port, service);
    }
}

/// Returns the virtual IP, port and service of an outbound with tags; `None`: it has no virtual IP.
fn written(outbound: &DataplaneOutbound) -> Option<(&str, u16, &str)> {
    let OutboundTarget::Tags(tags) = &outbound.target else { return None };
    let address = outbound.address.as_deref().filter(|address| !is_loopback(address))?;
    Some((address, outbound.port, tags.service().unwrap_or_default()))
}

fn is_loopback(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn vips(resource: &Resource) -> Vec<&str> {
    match resource.spec() {
        Spec::MeshService(service) => service.vips.iter().map(String::as_str).collect(),
        Spec::MeshMultiZoneService(service) => service.vips.iter().map(String::as_str).collect(),
        Spec::MeshExternalService(service) => service.vip.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns `true` for a headless service whose address and port are the proxy's own.
fn is_own_inbound(view: &View<'_>, outbound: &Dialled) -> bool {
    let dataplane = view.dataplane();
    dataplane.inbound.iter().any(|inbound| {
        inbound.port == outbound.port
            && inbound.address.as_deref().unwrap_or(&dataplane.address) == outbound.address
    })
}
