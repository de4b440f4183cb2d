//! Endpoints of another mesh: the cross-mesh listeners of its builtin gateways (spec 04 §8.2, §11).

use model::topology::MeshGateway;
use model::{Kind, Labels, Resource, Spec, Tags};

use super::Offer;
use crate::plan::{Endpoint, Hop};
use crate::reader::Reader;
use crate::routing::facts::Facts;

/// Returns the endpoints of a tag value in another mesh.
pub(in crate::routing) fn of_other_mesh(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    service: &str,
    mesh: &str,
) -> Offer {
    let mut endpoints = Vec::new();
    for (resource, dataplane) in reader.dataplanes(mesh) {
        let Some(tags) = dataplane.builtin_gateway().map(|gateway| &gateway.tags) else { continue };
        if tags.service() != Some(service) {
            continue;
        }
        let serving = reader.in_mesh(Kind::MeshGateway, mesh).iter().filter_map(|gateway| {
            let Spec::MeshGateway(gateway) = gateway.spec() else { return None };
            gateway.selectors.iter().any(|selector| selector.matches(tags)).then_some(gateway)
        });
        if let Some(gateway) = serving.max_by_key(|gateway| best_selector(gateway, tags)) {
            let address = reader.dialled_at(dataplane.advertised());
            endpoints.extend(listeners(facts, resource, address, tags, gateway));
        }
    }
    Offer { endpoints, outside: None }
}

fn best_selector(gateway: &MeshGateway, tags: &Tags) -> usize {
    gateway.selectors.iter().filter(|selector| selector.matches(tags)).map(Tags::len).max().unwrap_or(0)
}

fn listeners<'a>(
    facts: &'a Facts<'_>,
    resource: &'a Resource,
    address: String,
    tags: &'a Tags,
    gateway: &'a MeshGateway,
) -> impl Iterator<Item = Endpoint> + 'a {
    gateway.listeners.iter().filter(|listener| listener.cross_mesh).map(move |listener| {
        let tags = tags.merged(&gateway.tags).merged(&listener.tags);
        let (zone, priority) = facts.locality(&tags, Some(&resource.meta().labels));
        Endpoint {
            priority,
            zone,
            address: address.clone(),
            port: u32::from(listener.port),
            weight: 1,
            group: None,
            tags,
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Hop::Direct,
        }
    })
}
