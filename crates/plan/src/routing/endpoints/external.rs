//! Destinations outside the mesh (spec 04 §9).

use model::reference::ZONE_TAG;
use model::topology::{ExternalService, MeshExternalService};
use model::{Kind, Labels, Resource, Spec, Tags};

use super::{Offer, Outside, external_tls, zones};
use crate::plan::{DirectAccess, Endpoint, ExternalTls, Via};
use crate::routing::facts::Facts;
use crate::routing::protocol;
use crate::routing::service::Service;
use crate::view::View;

/// By which tag a zone proxy tells the endpoints of meshes apart.
const MESH_NAME: &str = "mesh";

/// A MeshExternalService: through the egresses of the zone; directly before 2.9, and, for proxies that may, where there
/// is no egress.
pub(super) fn of_service(
    view: &View<'_>,
    facts: &Facts<'_>,
    service: &Service<'_>,
    spec: &MeshExternalService,
) -> Offer {
    let protocol = service.protocol;
    let meta = service.resource.meta();
    let key = (meta.mesh.as_str().to_owned(), meta.name.as_str().to_owned());
    if let Some(why) = view.context().unloaded.get(&key) {
        let by_egress = facts.profile.external_services_leave_by_egress();
        let outside = Outside { protocol, by_egress, tls: None, direct: None, unloaded: Some(why.clone()) };
        return Offer { endpoints: Vec::new(), outside: Some(outside) };
    }
    let real = real_endpoints(facts, service.resource, spec);
    let tls = external_tls::of_service(service.resource, spec);
    if !facts.profile.external_services_leave_by_egress() {
        let outside = Outside { protocol, by_egress: false, tls, direct: None, unloaded: None };
        return Offer { endpoints: real, outside: Some(outside) };
    }
    // No switch of the mesh matters: an egress is used where it exists, and serves only meshes with TLS.
    let uses_egress = facts.mtls.is_some() || !facts.profile.has_zone_proxy_resources();
    let tags: Tags = service.resource.meta().labels.iter().collect();
    let endpoints =
        if uses_egress { through_egress(view, facts, service.resource, &tags) } else { Vec::new() };
    let direct = endpoints.is_empty().then_some(DirectAccess { endpoints: real, tls });
    Offer {
        endpoints,
        outside: Some(Outside { protocol, by_egress: true, tls: None, direct, unloaded: None }),
    }
}

/// A MeshExternalService as an egress dials it: by itself.
pub(in crate::routing) fn of_egress(
    facts: &Facts<'_>,
    resource: &Resource,
    spec: &MeshExternalService,
) -> (Vec<Endpoint>, Option<ExternalTls>) {
    let mut endpoints = real_endpoints(facts, resource, spec);
    // whose it is; where it is says nothing of the egress, which is of one zone
    for endpoint in &mut endpoints {
        endpoint.tags.insert(MESH_NAME, facts.mesh_name);
        endpoint.zone = None;
    }
    (endpoints, external_tls::of_service(resource, spec))
}

/// The ExternalServices with this value of `kuma.io/service` that are reachable from this zone.
pub(super) fn of_tag(view: &View<'_>, facts: &Facts<'_>, service: &str) -> Offer {
    if !facts.profile.has_traffic_route() {
        return Offer::default();
    }
    let mut offer = Offer::default();
    for resource in view.of_kind(Kind::ExternalService) {
        let Spec::ExternalService(spec) = resource.spec() else { continue };
        let elsewhere =
            spec.tags.get(ZONE_TAG).is_some_and(|zone| facts.zone.is_some() && facts.is_remote(zone));
        if spec.tags.service() != Some(service) || elsewhere {
            continue;
        }
        let tags = &spec.tags;
        let real = of_external_service(facts, resource, spec);
        let tls = external_tls::of_external_service(spec);
        let protocol = protocol::of_tags(tags, facts.profile);
        let outside = offer.outside.get_or_insert_with(|| Outside {
            protocol,
            by_egress: facts.zone_egress,
            tls: tls.clone().filter(|_| !facts.zone_egress),
            direct: None,
            unloaded: None,
        });
        outside.protocol = protocol::common([outside.protocol, protocol]);
        if !facts.zone_egress {
            offer.endpoints.push(real);
            continue;
        }
        let by_egress = through_egress(view, facts, resource, tags);
        if by_egress.is_empty() {
            let direct = outside.direct.get_or_insert(DirectAccess { endpoints: Vec::new(), tls });
            direct.endpoints.push(real);
        }
        offer.endpoints.extend(by_egress);
    }
    offer
}

fn of_external_service(facts: &Facts<'_>, resource: &Resource, spec: &ExternalService) -> Endpoint {
    let (zone, priority) = facts.locality(&spec.tags, None);
    Endpoint {
        priority,
        zone,
        address: spec.host.clone(),
        port: u32::from(spec.port),
        weight: 1,
        tags: spec.tags.clone(),
        labels: Labels::default(),
        offered_by: resource.describe(),
        via: Via::Direct,
    }
}

fn through_egress(view: &View<'_>, facts: &Facts<'_>, resource: &Resource, tags: &Tags) -> Vec<Endpoint> {
    let (zone, priority) = facts.locality(tags, None);
    zones::egresses(view, facts)
        .into_iter()
        .map(|gate| Endpoint {
            priority,
            zone: zone.clone(),
            address: gate.address,
            port: gate.port,
            weight: 1,
            tags: tags.clone(),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Via::ZoneEgress,
        })
        .collect()
}

fn real_endpoints(facts: &Facts<'_>, resource: &Resource, spec: &MeshExternalService) -> Vec<Endpoint> {
    let tags: Tags = resource.meta().labels.iter().collect();
    let (zone, _) = facts.locality(&tags, None);
    let mut endpoints: Vec<Endpoint> = spec
        .endpoints
        .iter()
        .map(|endpoint| Endpoint {
            priority: endpoint.priority,
            zone: zone.clone(),
            address: endpoint.address.clone(),
            port: endpoint.port,
            weight: 1,
            tags: tags.clone(),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Via::Direct,
        })
        .collect();
    endpoints.sort();
    endpoints
}
