//! Outbounds of virtual IPs, for proxies that the kernel redirects connections to (spec 04 §2).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use model::reference::SERVICE_TAG;
use model::topology::MeshServicesMode;
use model::{Kind, Resource, Spec, Tags};

use super::reachable;
use crate::dialled::{Dialled, DialledTarget, TagAddresses};
use crate::routing::facts::Facts;
use crate::view::View;

/// One outbound for each virtual IP and port that the proxy may reach.
pub(super) fn of_proxy(view: &View<'_>, facts: &Facts<'_>) -> Vec<Dialled> {
    let mut dialled = Vec::new();
    if facts.mesh_services != MeshServicesMode::Disabled && facts.profile.has_real_outbounds() {
        for kind in [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService] {
            for resource in view.of_kind(kind) {
                of_resource(view, facts, resource, &mut dialled);
            }
        }
    }
    if facts.mesh_services != MeshServicesMode::Exclusive && facts.profile.has_tag_outbounds() {
        of_tags(view, &mut dialled);
    }
    dialled.retain(|outbound| !is_own_inbound(view, outbound));
    dialled
}

/// Whether an address is the virtual IP of some service.
pub(super) fn is_generated(view: &View<'_>, address: &str) -> bool {
    let kinds = [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService];
    kinds.into_iter().flat_map(|kind| view.of_kind(kind)).any(|resource| vips(resource).contains(&address))
        || tag_addresses(view).iter().any(|(given, _)| given == address)
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

/// The port of the virtual IP of a tag-based service.
const TAG_PORT: u16 = 80;

/// The virtual IPs of tag-based services. Those in outbounds of the Dataplane, which an allocator wrote there, are taken as they
/// stand.
fn of_tags(view: &View<'_>, dialled: &mut Vec<Dialled>) {
    let mut seen = BTreeSet::new();
    for (address, service) in tag_addresses(view) {
        if reachable::is_tag(view, &service) && seen.insert((address.clone(), TAG_PORT)) {
            let target = DialledTarget::Tags(Tags::from_iter([(SERVICE_TAG, service)]));
            dialled.push(Dialled { address, port: TAG_PORT, target, marked: None });
        }
    }
    for outbound in &view.dataplane().outbound {
        let model::topology::OutboundTarget::Tags(tags) = &outbound.target else { continue };
        let Some(address) = outbound.address.clone().filter(|address| !is_loopback(address)) else {
            continue;
        };
        let service = tags.service().unwrap_or_default();
        if reachable::is_tag(view, service) && seen.insert((address.clone(), outbound.port)) {
            let target = DialledTarget::Tags(Tags::from_iter([(SERVICE_TAG, service)]));
            dialled.push(Dialled { address, port: outbound.port, target, marked: None });
        }
    }
}

/// Each tag-based service of the mesh that has a virtual IP.
fn tag_addresses(view: &View<'_>) -> Vec<(String, String)> {
    match &view.context().tag_addresses {
        TagAddresses::Given(given) => {
            let of_mesh = given.iter().filter(|((mesh, _), _)| mesh == view.mesh_name());
            of_mesh.map(|((_, service), address)| (address.to_string(), service.clone())).collect()
        }
        TagAddresses::AsIfNew => {
            let services = tag_services(view).into_iter();
            services.zip(FIRST..).map(|(service, bits)| (Ipv4Addr::from(bits).to_string(), service)).collect()
        }
    }
}

/// The first virtual IP that a control plane gives out.
const FIRST: u32 = u32::from_be_bytes([240, 0, 0, 0]);

/// The tag-based services of the mesh, by name.
fn tag_services(view: &View<'_>) -> BTreeSet<String> {
    let kinds = [Kind::Dataplane, Kind::ExternalService].into_iter();
    let tags = kinds.flat_map(|kind| view.of_kind(kind)).flat_map(|resource| match resource.spec() {
        Spec::Dataplane(dataplane) => dataplane.inbound.iter().map(|inbound| &inbound.tags).collect(),
        Spec::ExternalService(service) => vec![&service.tags],
        _ => Vec::new(),
    });
    tags.filter_map(Tags::service).map(str::to_owned).collect()
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn vips(resource: &Resource) -> Vec<&str> {
    match resource.spec() {
        Spec::MeshService(service) => service.vips.iter().map(String::as_str).collect(),
        Spec::MeshMultiZoneService(service) => service.vips.iter().map(String::as_str).collect(),
        Spec::MeshExternalService(service) => service.vip.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Headless services: the address and port are the proxy's own.
fn is_own_inbound(view: &View<'_>, outbound: &Dialled) -> bool {
    let dataplane = view.dataplane();
    dataplane.inbound.iter().any(|inbound| {
        inbound.port == outbound.port
            && inbound.address.as_deref().unwrap_or(&dataplane.address) == outbound.address
    })
}
