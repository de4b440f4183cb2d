//! Endpoints as load assignments (spec 04 §11).

use std::collections::BTreeMap;

use model::reference::SERVICE_TAG;
use model::resource::DISPLAY_NAME_LABEL;
use plan::{Endpoint, EndpointGroup};
use serde_json::{Map, Value, json};

use super::words::{address, url};

/// Returns the load assignment of an EDS cluster.
pub(super) fn assignment(cluster: &str, endpoints: &[Endpoint]) -> Value {
    let mut tree = inline(cluster, endpoints);
    tree["@type"] = url("config.endpoint.v3.ClusterLoadAssignment").into();
    tree
}

/// Returns the load assignment inside a cluster: localities sorted by zone, those without one first. A group of
/// endpoints is a locality of its own, with the share of the group.
pub(super) fn inline(cluster: &str, endpoints: &[Endpoint]) -> Value {
    let mut groups: BTreeMap<(Option<&str>, &str, u32), Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        let group = endpoint.group.as_ref().map_or("", |group| &group.name);
        groups.entry((endpoint.zone.as_deref(), group, endpoint.priority)).or_default().push(endpoint);
    }
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|((zone, name, priority), mut endpoints)| {
            endpoints.sort_by(|a, b| (&a.address, a.port).cmp(&(&b.address, b.port)));
            let share = endpoints.first().and_then(|first| Some(first.group.as_ref()?.share));
            let endpoints: Vec<Value> = endpoints.into_iter().map(within_group).collect();
            let mut group = json!({ "lbEndpoints": endpoints });
            if let Some(zone) = zone {
                group["locality"] = json!({ "zone": zone });
            }
            if !name.is_empty() {
                group["locality"]["subZone"] = name.into();
            }
            if let Some(share) = share {
                group["loadBalancingWeight"] = share.into();
            }
            if priority > 0 {
                group["priority"] = priority.into();
            }
            group
        })
        .collect();
    let mut tree = json!({ "clusterName": cluster });
    if !groups.is_empty() {
        tree["endpoints"] = groups.into();
    }
    tree
}

/// Converts one endpoint, with its weight among those of its group.
fn within_group(endpoint: &Endpoint) -> Value {
    let mut tree = self::endpoint(endpoint, Map::new());
    if let Some(EndpointGroup { name: _, share: _, weight }) = &endpoint.group {
        tree["loadBalancingWeight"] = (*weight).max(1).into();
    }
    tree
}

/// Returns the tags that distinguish an endpoint.
pub(super) fn tags(endpoint: &Endpoint) -> Map<String, Value> {
    let told = endpoint.tags.iter().filter(|(key, _)| ![SERVICE_TAG, DISPLAY_NAME_LABEL].contains(key));
    told.map(|(key, value)| (key.into(), value.into())).collect()
}

/// Converts one endpoint with its tags as metadata; `also` is metadata for the match of transport sockets.
pub(super) fn endpoint(endpoint: &Endpoint, also: Map<String, Value>) -> Value {
    let tags = tags(endpoint);
    let mut sockets = tags.clone();
    sockets.extend(also);
    let Endpoint {
        priority: _,
        zone: _,
        address: ip,
        port,
        weight,
        group: _,
        tags: _,
        labels,
        offered_by: _,
        via: _,
    } = endpoint;
    // the reference does not distinguish endpoints by a name
    let labels = labels.iter().filter(|(key, _)| *key != DISPLAY_NAME_LABEL);
    let labels: Map<String, Value> = labels.map(|(key, value)| (key.into(), value.into())).collect();
    let metadata: Map<String, Value> =
        [("envoy.lb", tags), ("envoy.transport_socket_match", sockets), ("io.kuma.labels", labels)]
            .into_iter()
            .filter(|(_, members)| !members.is_empty())
            .map(|(name, members)| (name.into(), members.into()))
            .collect();
    let mut tree =
        json!({ "endpoint": { "address": address(ip, *port) }, "loadBalancingWeight": (*weight).max(1) });
    if !metadata.is_empty() {
        tree["metadata"] = json!({ "filterMetadata": metadata });
    }
    tree
}
