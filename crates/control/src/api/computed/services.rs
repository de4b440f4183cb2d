//! Computed parts of services: their proxies, and the services behind a multi-zone service.

use model::reference::ZONE_TAG;
use model::topology::{Dataplane, Identity, Inbound, MeshMultiZoneService, MeshService, ServiceSelector};
use model::{Kind, Resource};
use plan::{ProxyId, ServiceIdentities, Snapshot};
use serde_json::{Map, Value, json};

use super::conditions::condition;
use super::{Computed, Members, is_here};
use crate::api::selected::selects;
use crate::store::Stored;

/// TLS status while some proxies of a service do not terminate TLS.
pub(super) const NOT_READY: &str = "NotReady";

/// Computes the members of a service of one zone.
pub(super) fn of_zone(
    computed: &Computed,
    stored: &Stored,
    resource: &Resource,
    service: &MeshService,
) -> Members {
    let Computed { compiled, statuses, certified, addresses: _, zone } = computed;
    let (snapshot, mesh) = (&*compiled.snapshot, stored.key.mesh_or_empty());
    let selected: Vec<(&Resource, &Dataplane)> = match &service.selector {
        ServiceSelector::Tags(tags) => snapshot.dataplanes_with_tags(mesh, tags).collect(),
        other => snapshot.dataplanes(mesh).filter(|(it, _)| selects(other, it)).collect(),
    };
    let is_healthy = |dataplane: &Dataplane| inbounds(&service.selector, dataplane).any(Inbound::is_healthy);
    let healthy = selected.iter().filter(|(_, dataplane)| is_healthy(dataplane)).count();
    let is_connected = |it: &Resource| {
        let key = ProxyId::dataplane(it.meta().mesh.as_str(), it.meta().name.as_str());
        statuses.get(&key).is_some_and(|status| status.connection.is_some())
    };
    let connected = selected.iter().filter(|(it, _)| is_connected(it)).count();
    let counts = json!({ "connected": connected, "healthy": healthy, "total": selected.len() });
    let mut status = Map::new();
    let mut spec = Map::new();
    // a service of another zone has its identities from there
    if let Some(found) = ServiceIdentities::of(snapshot, resource, |proxy| certified.contains(proxy)) {
        let tls = if found.tls_ready { "Ready" } else { NOT_READY };
        status.insert("tls".into(), json!({ "status": tls }));
        if is_here(stored.document["labels"][ZONE_TAG].as_str(), zone.as_deref()) {
            let state = if healthy > 0 { "Available" } else { "Unavailable" };
            spec.insert("state".into(), state.into());
            spec.insert("identities".into(), found.identities.iter().map(identity).collect());
        }
    }
    status.insert("dataplaneProxies".into(), counts);
    Members { spec, status }
}

fn identity(identity: &Identity) -> Value {
    match identity {
        Identity::ServiceTag(value) => json!({ "type": "ServiceTag", "value": value }),
        Identity::SpiffeId(value) => json!({ "type": "SpiffeID", "value": value }),
    }
}

/// Returns the inbounds of a selected dataplane that belong to the service.
fn inbounds<'a>(selector: &ServiceSelector, dataplane: &'a Dataplane) -> impl Iterator<Item = &'a Inbound> {
    dataplane.inbound.iter().filter(move |inbound| match selector {
        ServiceSelector::Tags(tags) => tags.matches(&inbound.tags),
        ServiceSelector::None | ServiceSelector::Name { .. } | ServiceSelector::Labels(_) => true,
    })
}

/// Computes the status of a multi-zone service; with the services that it stands for where there are zones: their
/// stored list decides where connections go.
pub(super) fn of_zones(
    snapshot: &Snapshot,
    has_zones: bool,
    stored: &Stored,
    service: &MeshMultiZoneService,
) -> Map<String, Value> {
    let services = snapshot.by_labels(Kind::MeshService, stored.key.mesh_or_empty(), &service.match_labels);
    let matched: Vec<Value> = services
        .map(|it| {
            let meta = it.meta();
            let (name, mesh) = (meta.display_name(), meta.mesh.as_str());
            json!({ "name": name, "namespace": meta.namespace(), "zone": meta.zone(), "mesh": mesh })
        })
        .collect();
    let (holds, reason, message) = match matched.len() {
        0 => (false, "NoMatches", "No MeshServices matched".to_owned()),
        some => (true, "MatchesFound", format!("Matched {some} MeshService(s)")),
    };
    let mut status = Map::new();
    if has_zones {
        status.insert("meshServices".into(), matched.into());
    }
    status.insert("conditions".into(), json!([condition("MeshServicesMatched", holds, reason, message)]));
    status
}
