//! Zone proxies: connections are told apart by the server name of mesh TLS (spec 08 §5, §6, §8).
//!
//! TLS is passed on as it came where the destination is a proxy of the mesh, here or behind the ingress of another
//! zone: several server names share the cluster of a service, and choose among its endpoints by tags. Where the
//! destination is outside the mesh, TLS ends here, and clients without permission are closed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plan::{
    Backend, BackendFate, Cluster, ClusterKind, Listener, Match, Proxy, ProxyId, Terminated, TlsTermination,
};
use serde_json::{Map, Value, json};

use super::access_log::Speaker;
use super::destinations::Destinations;
use super::reference::ReferenceDefaults;
use super::split::{Forward, Target};
use super::words::{duration, extension, object, sanitised};
use super::{EnvoyResources, Note, chain, cluster, endpoint, inbound_tls, rbac, tcp_proxy};
use crate::access_log_format::Placeholders;

/// Returns the filter chains of a zone proxy. Envoy rejects a listener without any; an ingress that offers nothing
/// reports its identity.
pub(super) fn chains(
    listener: &Listener,
    proxy: &Proxy,
    destinations: Destinations<'_>,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let speaker = Speaker { listener: &listener.name, placeholders: Placeholders::of(listener, proxy) };
    let mut chains: Vec<Value> = Vec::new();
    for (claimed, route) in &listener.routes {
        let at = (claimed, route.session.as_ref());
        for to in &route.split {
            chains.extend(to_cluster(listener, at, to, destinations, (&speaker, &mut *notes)));
        }
    }
    match chains.is_empty() {
        true => vec![chain::chain(vec![name(proxy)])],
        false => chains,
    }
}

/// Returns the filter that tells a client which proxy it reached, and ends the connection.
fn name(Proxy { id, service: _, zone, address: _ }: &Proxy) -> Value {
    let text = json!({ "proxy": id.key().node_id(), "zone": zone }).to_string();
    let config = json!({ "response": { "inlineBytes": STANDARD.encode(text) } });
    let message = "extensions.filters.network.direct_response.v3.Config";
    extension("envoy.filters.network.direct_response", message, object(config))
}

fn to_cluster(
    listener: &Listener,
    (claimed, session): (&Match, Option<&TlsTermination>),
    backend: &Backend,
    destinations: Destinations<'_>,
    (speaker, notes): (&Speaker<'_>, &mut Vec<Note>),
) -> Option<Value> {
    let BackendFate::Routed { cluster, subset } = &backend.fate else { return None };
    let ended = match session {
        Some(TlsTermination::Mtls(terminated)) => Some(terminated),
        Some(_) | None => None,
    };
    let called = match ended {
        None => Called { chain: None, statistics: sanitised(cluster) },
        Some(terminated) => Called::outside(listener, destinations.get(cluster)?, terminated, destinations),
    };
    let forward = Forward { to: Target::Cluster(cluster.clone()), by_client: false };
    let mut filters = tcp_proxy::filter(&called.statistics, &forward, &listener.settings, speaker, notes);
    if let Some(proxy) = filters.last_mut() {
        if !subset.is_empty() {
            let tags: Map<String, Value> =
                subset.iter().map(|(key, value)| (key.into(), value.into())).collect();
            proxy["typedConfig"]["metadataMatch"] = json!({ "filterMetadata": { "envoy.lb": tags } });
        }
        if !listener.settings.access_logs.is_empty() {
            // a line when a connection begins, too: those of zone proxies live long
            proxy["typedConfig"]["accessLogOptions"] = json!({ "flushAccessLogOnConnected": true });
        }
    }
    let permitted = ended.map(|terminated| {
        let counted_as = terminated.counted_as.as_ref().unwrap_or(&listener.name);
        rbac::filter(&terminated.permissions, counted_as)
    });
    let mut tree = json!({
        "filterChainMatch": { "transportProtocol": "tls", "serverNames": [claimed.hostname()] },
        "filters": permitted.into_iter().chain(filters).collect::<Vec<_>>(),
    });
    if let Some(chain) = called.chain {
        tree["name"] = chain.into();
    }
    if let Some(terminated) = ended {
        tree["transportSocket"] = inbound_tls::socket(terminated);
    }
    Some(tree)
}

/// Name of a chain, and of its statistics.
struct Called {
    chain: Option<String>,
    statistics: String,
}

impl Called {
    /// Returns a chain to the outside: a real service has the name of its cluster, a tag-based one that of its
    /// service.
    fn outside(
        listener: &Listener,
        cluster: &Cluster,
        terminated: &Terminated,
        destinations: Destinations<'_>,
    ) -> Self {
        if cluster.resource.is_some() && destinations.unasked.external_services_are_real {
            return Self { chain: Some(cluster.name.clone()), statistics: sanitised(&cluster.name) };
        }
        let service = if listener.naming.unified { &cluster.name } else { &cluster.service };
        Self { chain: Some(format!("{service}_{}", terminated.mtls.mesh)), statistics: sanitised(service) }
    }
}

/// Adds the clusters behind the routes of a zone proxy.
pub(super) fn add_clusters(
    listener: &Listener,
    proxy: &Proxy,
    destinations: Destinations<'_>,
    resources: &mut EnvoyResources,
) {
    let is_egress = matches!(proxy.id, ProxyId::ZoneEgress(_));
    let ReferenceDefaults { tracks_remaining, .. } = destinations.unasked;
    // an ingress that serves all meshes has no policies in the reference, which say so elsewhere
    let tracks_remaining = tracks_remaining && !matches!(proxy.id, ProxyId::ZoneIngress(_));
    let unasked = ReferenceDefaults { tracks_remaining, ..destinations.unasked };
    let destinations = Destinations { unasked, ..destinations };
    let of_dataplane = matches!(proxy.id, ProxyId::Dataplane(_));
    let carried: BTreeSet<&str> =
        listener.routes().flat_map(|route| &route.split).filter_map(Backend::cluster).collect();
    // a Dataplane has clusters of its own application too
    let known =
        destinations.clusters.iter().filter(|(name, _)| !of_dataplane || carried.contains(name.as_str()));
    for (name, destination) in known {
        let tree = match &destination.kind {
            ClusterKind::Zone { subsets } => {
                let mut assignment = endpoint::assignment(name, &destination.endpoints);
                cluster::settings::fail_over(&mut assignment, &destination.settings);
                resources.endpoints.insert(name.clone(), assignment);
                passed_on(destination, subsets, unasked)
            }
            ClusterKind::External { .. } => {
                let mut tree = outside(destination, is_egress, destinations);
                tree["connectTimeout"] = connect_timeout(destination, unasked);
                tree
            }
            ClusterKind::Application
            | ClusterKind::Mesh
            | ClusterKind::Gateway
            | ClusterKind::Egress { .. } => continue,
        };
        resources.clusters.insert(name.clone(), tree);
    }
}

/// Returns a cluster of proxies of the mesh, some of whose endpoints are chosen by tags.
fn passed_on(destination: &Cluster, subsets: &BTreeSet<Vec<String>>, unasked: ReferenceDefaults) -> Value {
    let mut tree = cluster::base(&destination.name);
    cluster::discovered(&mut tree);
    tree["connectTimeout"] = connect_timeout(destination, unasked);
    cluster::settings::limit(&mut tree, None, None, unasked);
    let selectors: Vec<Value> =
        subsets.iter().map(|keys| json!({ "fallbackPolicy": "NO_FALLBACK", "keys": keys })).collect();
    if !selectors.is_empty() {
        tree["lbSubsetConfig"] = json!({ "fallbackPolicy": "ANY_ENDPOINT", "subsetSelectors": selectors });
    }
    tree
}

fn connect_timeout(destination: &Cluster, unasked: ReferenceDefaults) -> Value {
    duration(destination.connect_timeout.as_ref().map_or(unasked.connect_timeout, |said| said.value)).into()
}

/// Returns a cluster outside the mesh. An egress has the endpoints of a real service in a locality of their own for
/// each priority, and distinguishes by tags the endpoints of a tag-based service with TLS.
fn outside(destination: &Cluster, is_egress: bool, destinations: Destinations<'_>) -> Value {
    let (mut tree, _) = cluster::cluster(destination, destinations);
    if !is_egress {
        return tree;
    }
    if destination.resource.is_some() && destinations.unasked.external_services_are_real {
        let groups = tree["loadAssignment"].get_mut("endpoints").and_then(Value::as_array_mut);
        for group in groups.into_iter().flatten() {
            let priority = group.get("priority").and_then(Value::as_u64).unwrap_or_default();
            group["locality"] = json!({ "subZone": format!("priority-{priority}") });
        }
    }
    tree
}
