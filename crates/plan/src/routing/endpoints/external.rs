//! Destinations outside the mesh (spec 04 §9).

use model::reference::ZONE_TAG;
use model::topology::{ExternalService, MeshExternalService};
use model::{Kind, Labels, Resource, Spec, Tags};

use super::gate::Gate;
use super::{Offer, OutsideDestination, egresses, external_tls};
use crate::plan::{DirectAccess, Endpoint, ExternalTls, Hop, OutsideTls};
use crate::reader::Reader;
use crate::routing::facts::Facts;
use crate::routing::protocol;
use crate::routing::service::Service;

/// Tag of the endpoints of an ExternalService with TLS, by which a transport socket is matched to them.
const EXTERNAL_SERVICE: &str = "kuma.io/external-service-name";

/// Returns the endpoints of a MeshExternalService: through the egresses of the zone; before 2.9 only if the mesh
/// says so, and directly elsewhere; also directly, for proxies that may, where there is no egress.
pub(super) fn of_service(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    service: &Service<'_>,
    spec: &MeshExternalService,
) -> Offer {
    let protocol = service.protocol;
    if let Some(why) = unloaded(reader, service.resource) {
        let by_egress = facts.profile.external_services_leave_by_egress();
        let outside = OutsideDestination {
            protocol,
            by_egress,
            tls: None.into(),
            direct: None,
            unloaded: Some(why.to_owned()),
        };
        return Offer { endpoints: Vec::new(), outside: Some(outside) };
    }
    let real = real_endpoints(facts, service.resource, spec);
    let tls = OutsideTls::from(external_tls::of_service(service.resource, spec));
    let always_by_egress = facts.profile.external_services_leave_by_egress();
    if !always_by_egress && !facts.zone_egress {
        let outside = OutsideDestination { protocol, by_egress: false, tls, direct: None, unloaded: None };
        return Offer { endpoints: real, outside: Some(outside) };
    }
    // The mesh's own switch does not matter here: an egress is used where it exists, and serves only meshes with
    // TLS.
    let uses_egress = facts.mtls.is_some() || !facts.profile.has_zone_proxy_resources();
    let tags: Tags = service.resource.meta().labels.iter().collect();
    let gates = match always_by_egress {
        _ if !uses_egress => Vec::new(),
        true => egresses::of_real_services(reader, facts),
        false => egresses::proxies(reader, facts),
    };
    let mut endpoints = through(gates, facts, service.resource, &tags);
    // what belongs to other zones is a failover, whatever the mesh says about tags (spec 06 no. 66)
    if tags.get(ZONE_TAG).is_some_and(|zone| facts.is_remote(zone)) && always_by_egress {
        endpoints.iter_mut().for_each(|endpoint| endpoint.priority = 1);
    }
    let direct = endpoints.is_empty().then_some(DirectAccess { endpoints: real, tls });
    Offer {
        endpoints,
        outside: Some(OutsideDestination {
            protocol,
            by_egress: true,
            tls: None.into(),
            direct,
            unloaded: None,
        }),
    }
}

/// Returns the reason why the TLS secrets of a service outside the mesh cannot be loaded, in words; `None`: they
/// can, or loading was not tried.
fn unloaded<'a>(reader: &Reader<'a>, resource: &Resource) -> Option<&'a str> {
    reader.context().unloaded.get(&external_tls::about(resource)).map(String::as_str)
}

/// Returns the MeshExternalServices that the egresses of this zone dial: those that are reached from it, and whose
/// TLS secrets can be loaded.
pub(in crate::routing) fn services<'a>(
    reader: &Reader<'a>,
    facts: &Facts<'_>,
) -> Vec<(&'a Resource, &'a MeshExternalService)> {
    let all = reader.in_mesh(Kind::MeshExternalService, facts.mesh_name).iter();
    let of_kind = all.filter_map(|resource| match resource.spec() {
        Spec::MeshExternalService(spec) => Some((resource.as_ref(), spec)),
        _ => None,
    });
    let is_dialled = |resource: &Resource| {
        let zone = Some(resource.meta().zone()).filter(|zone| !zone.is_empty());
        is_reachable(facts, zone) && unloaded(reader, resource).is_none()
    };
    of_kind.filter(|(resource, _)| is_dialled(resource)).collect()
}

/// Returns the endpoints of a MeshExternalService as an egress dials it: directly.
pub(in crate::routing) fn of_egress(
    facts: &Facts<'_>,
    resource: &Resource,
    spec: &MeshExternalService,
) -> (Vec<Endpoint>, Option<ExternalTls>) {
    let real = real_endpoints(facts, resource, spec).into_iter();
    // the zone of an endpoint is meaningless to an egress, which is of one zone
    let endpoints = real.map(|endpoint| Endpoint { zone: None, ..endpoint });
    (endpoints.collect(), external_tls::of_service(resource, spec))
}

/// Returns the ExternalServices with this value of `kuma.io/service`. One that only another zone reaches is dialled
/// where connections leave by egresses, which know the way (spec 08 §4.3).
pub(super) fn of_tag(reader: &Reader<'_>, facts: &Facts<'_>, service: &str) -> Offer {
    let mut offer = Offer::default();
    for (resource, spec) in with_tag(reader, facts, service) {
        let tags = &spec.tags;
        let is_here = is_reachable(facts, tags.get(ZONE_TAG));
        if !is_here && !facts.zone_egress {
            continue;
        }
        let real = of_external_service(facts, resource, spec);
        let tls = external_tls::of_external_service(resource, spec);
        let protocol = protocol::of_tags(tags, facts.profile);
        let outside = offer.outside.get_or_insert_with(|| OutsideDestination {
            protocol,
            by_egress: facts.zone_egress,
            tls: tls.clone().filter(|_| !facts.zone_egress).into(),
            direct: None,
            unloaded: None,
        });
        outside.protocol = protocol::common([outside.protocol, protocol]);
        if !facts.zone_egress {
            outside.tls.add(resource.describe(), tls);
            offer.endpoints.push(real);
            continue;
        }
        let by_egress = through(egresses::proxies(reader, facts), facts, resource, tags);
        if by_egress.is_empty() && is_here {
            let none = || DirectAccess { endpoints: Vec::new(), tls: tls.clone().into() };
            let direct = outside.direct.get_or_insert_with(none);
            direct.tls.add(resource.describe(), tls);
            direct.endpoints.push(real);
        }
        offer.endpoints.extend(by_egress);
    }
    offer
}

/// Returns the ExternalServices with this value of `kuma.io/service`, by name.
pub(in crate::routing) fn with_tag<'a>(
    reader: &Reader<'a>,
    facts: &Facts<'_>,
    service: &str,
) -> Vec<(&'a Resource, &'a ExternalService)> {
    let all = of_mesh(reader, facts);
    all.into_iter().filter(|(_, spec)| spec.tags.service() == Some(service)).collect()
}

/// Returns the ExternalServices of a mesh whose TLS secrets can be loaded, by name.
pub(in crate::routing) fn of_mesh<'a>(
    reader: &Reader<'a>,
    facts: &Facts<'_>,
) -> Vec<(&'a Resource, &'a ExternalService)> {
    if !facts.profile.has_traffic_route() {
        return Vec::new();
    }
    let all = reader.in_mesh(Kind::ExternalService, facts.mesh_name).iter();
    all.filter_map(|resource| match resource.spec() {
        Spec::ExternalService(spec) => Some((resource.as_ref(), spec)),
        _ => None,
    })
    .filter(|(resource, _)| unloaded(reader, resource).is_none())
    .collect()
}

/// Returns `true` if a service outside the mesh is reached from this zone; one without a zone is reached from
/// everywhere.
pub(in crate::routing) fn is_reachable(facts: &Facts<'_>, zone: Option<&str>) -> bool {
    !zone.is_some_and(|zone| facts.zone.is_some() && facts.is_remote(zone))
}

/// Returns the endpoint of an ExternalService, dialled by its own address.
pub(in crate::routing) fn of_external_service(
    facts: &Facts<'_>,
    resource: &Resource,
    spec: &ExternalService,
) -> Endpoint {
    let (zone, priority) = facts.locality(&spec.tags, None);
    let mut tags = spec.tags.clone();
    if spec.tls.is_some() {
        tags.insert(EXTERNAL_SERVICE, resource.meta().name.as_str());
    }
    Endpoint {
        priority,
        zone,
        address: spec.host.clone(),
        port: u32::from(spec.port),
        weight: 1,
        group: None,
        tags,
        labels: Labels::default(),
        offered_by: resource.describe(),
        via: Hop::Direct,
    }
}

/// Returns the egresses of the zone, for an ExternalService that they dial.
pub(in crate::routing) fn through_egress(
    reader: &Reader<'_>,
    facts: &Facts<'_>,
    resource: &Resource,
    spec: &ExternalService,
) -> Vec<Endpoint> {
    through(egresses::proxies(reader, facts), facts, resource, &spec.tags)
}

fn through(gates: Vec<Gate>, facts: &Facts<'_>, resource: &Resource, tags: &Tags) -> Vec<Endpoint> {
    let (zone, priority) = facts.locality(tags, None);
    gates
        .into_iter()
        .map(|gate| Endpoint {
            priority,
            zone: zone.clone(),
            address: gate.address,
            port: gate.port,
            weight: 1,
            group: None,
            tags: tags.clone(),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Hop::ZoneEgress,
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
            group: None,
            tags: tags.clone(),
            labels: Labels::default(),
            offered_by: resource.describe(),
            via: Hop::Direct,
        })
        .collect();
    endpoints.sort_by(Endpoint::by_place);
    endpoints
}
