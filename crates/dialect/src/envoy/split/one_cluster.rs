//! One-cluster layout of a split: its backends are localities, their weights locality weights.
//!
//! A change of weights, or of which backend has endpoints, is then an endpoint update, which leaves listeners and
//! connections alone. Statistics stay readable by backend: the locality's zone and the host name of every endpoint are
//! the name of the backend's own cluster, so the admin page `/clusters` distinguishes backends, and so do the
//! statistics of each endpoint: `envoy_cluster_endpoint_cx_total{envoy_endpoint_hostname="redis-39497412ae74cdb7"}`.
//!
//! Envoy identifies a host of a cluster by its address only, and has one connect timeout and one list of priorities
//! per cluster; and EDS endpoints are not resolved. A split that needs more than that cannot be expressed this way;
//! the settings that its backends must share are in [`together`].

use std::collections::{BTreeMap, BTreeSet};

use plan::{Cluster, ClusterKind, ConnectionSettings, Endpoint, Hop, Sourced, SplitSettings};
use serde_json::{Value, json};

use super::super::words::{duration, is_literal, object, url};
use super::super::{cluster, endpoint, external_tls, tls};
use super::{REFUSED, together};
use crate::envoy::destinations::Destinations;

/// Key of the metadata that transport sockets are matched by.
const BACKEND_KEY: &str = "meshtcp.io/backend";

/// Returns the cluster and its load assignment, or the reason why the split cannot be expressed this way.
pub(super) fn said(
    name: &str,
    shares: &[(Option<&str>, u32)],
    destinations: Destinations<'_>,
    declared: &SplitSettings,
    settings: &ConnectionSettings,
) -> Result<(Value, Value), String> {
    let backends = backends(shares, destinations);
    check(&backends, declared, settings)?;
    let sides: Vec<&Cluster> = backends.iter().filter_map(|side| side.cluster).collect();
    let treatment = together::settings(&sides, backends.len(), declared)?;
    let mut tree = cluster::base(name);
    cluster::discovered(&mut tree);
    let timeout = backends.iter().find_map(|backend| backend.cluster?.connect_timeout.as_ref());
    if let Some(Sourced { value, origin: _ }) = timeout {
        tree["connectTimeout"] = duration(*value).into();
    }
    tree["trackClusterStats"] = json!({ "perEndpointStats": true });
    tree["loadBalancingPolicy"] = together::policy(&treatment);
    cluster::settings::add(&mut tree, &treatment, destinations.unasked);
    let sockets: Vec<Value> = backends.iter().filter_map(|b| socket(b, destinations)).collect();
    if !sockets.is_empty() {
        tree["transportSocketMatches"] = sockets.into();
    }
    let localities: Vec<Value> =
        backends.iter().enumerate().map(|(index, backend)| locality(index, backend)).collect();
    let assignment = json!({
        "@type": url("config.endpoint.v3.ClusterLoadAssignment"),
        "clusterName": name,
        "endpoints": localities,
    });
    Ok((tree, assignment))
}

/// One side of the split; backends that share a cluster are one.
struct Side<'a> {
    name: &'a str,
    weight: u32,
    /// Cluster; absent for the share that is refused.
    cluster: Option<&'a Cluster>,
}

impl Side<'_> {
    fn endpoints(&self) -> &[Endpoint] {
        self.cluster.map_or(&[], |cluster| &cluster.endpoints)
    }
}

fn backends<'a>(shares: &[(Option<&'a str>, u32)], destinations: Destinations<'a>) -> Vec<Side<'a>> {
    let mut weights: BTreeMap<&str, u32> = BTreeMap::new();
    for (cluster, weight) in shares {
        let sum = weights.entry(cluster.unwrap_or(REFUSED)).or_default();
        *sum = sum.saturating_add(*weight);
    }
    weights.into_iter().map(|(name, weight)| Side { name, weight, cluster: destinations.get(name) }).collect()
}

/// Checks whether the split can be one cluster; otherwise returns the reason.
fn check(
    backends: &[Side<'_>],
    declared: &SplitSettings,
    settings: &ConnectionSettings,
) -> Result<(), String> {
    let mut addresses: BTreeMap<(&str, u32), &str> = BTreeMap::new();
    let mut timeouts = BTreeSet::new();
    for side in backends {
        if let Some(cluster) = side.cluster {
            timeouts.insert(cluster.connect_timeout.as_ref().map(|timeout| timeout.value));
        }
        if side
            .cluster
            .and_then(|cluster| cluster.tls.as_ref())
            .is_some_and(|tls| !tls.sni_of_zones.is_empty())
        {
            return Err(format!("the zones of {} route by different server names", side.name));
        }
        if side.cluster.and_then(Cluster::to_outside).is_some_and(|tls| tls.to_all().is_err()) {
            return Err(format!("the endpoints of {} are not all spoken to by the same TLS", side.name));
        }
        let priorities: BTreeSet<u32> = side.endpoints().iter().map(|endpoint| endpoint.priority).collect();
        if priorities.len() > 1 {
            return Err(format!("the endpoints of {} have different priorities", side.name));
        }
        for Endpoint { address, port, .. } in side.endpoints() {
            if !is_literal(address) {
                return Err(format!(
                    "{address} of {} is a host name, which Envoy resolves only in clusters of its own",
                    side.name
                ));
            }
            match addresses.insert((address, *port), side.name) {
                Some(other) if other != side.name => {
                    return Err(format!("{address}:{port} is an endpoint of both {other} and {}", side.name));
                }
                Some(_) | None => {}
            }
        }
    }
    if timeouts.len() > 1 {
        return Err("its backends have different connect timeouts".into());
    }
    let may_change_sides = declared.retry_other_side.as_ref().is_some_and(|may| may.value);
    let attempts = settings.max_connect_attempts.as_ref().map_or(1, |attempts| attempts.value);
    match backends.iter().find(|side| side.endpoints().is_empty()) {
        Some(dead) if attempts > 1 && backends.len() > 1 && !may_change_sides => {
            Err(format!("{} has no endpoints, and a second attempt would go to another backend", dead.name))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the transport socket of the endpoints of one backend; plaintext needs none.
fn socket(side: &Side<'_>, destinations: Destinations<'_>) -> Option<Value> {
    let cluster = side.cluster?;
    let outside = match &cluster.kind {
        ClusterKind::External { protocol: _, tls } => tls.to_all().ok().flatten(),
        ClusterKind::Application
        | ClusterKind::Zone { .. }
        | ClusterKind::Mesh
        | ClusterKind::Gateway
        | ClusterKind::Egress { .. } => None,
    };
    let socket = match (&cluster.tls, outside) {
        (Some(mesh), _) => Some(tls::to_mesh(mesh, destinations)),
        (None, Some(outside)) => Some(external_tls::to_outside(outside)),
        (None, None) => None,
    };
    let socket = cluster::settings::with_header(socket, cluster.settings.proxy_protocol.as_ref())?;
    Some(json!({ "name": side.name, "match": { BACKEND_KEY: side.name }, "transportSocket": socket }))
}

fn locality(index: usize, side: &Side<'_>) -> Value {
    let nobody = [nobody(index)];
    let endpoints = if side.endpoints().is_empty() { &nobody[..] } else { side.endpoints() };
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|e| {
            let mut tree = endpoint::endpoint(e, object(json!({ BACKEND_KEY: side.name })));
            tree["endpoint"]["hostname"] = side.name.into();
            tree
        })
        .collect();
    json!({
        "locality": { "zone": side.name },
        "loadBalancingWeight": side.weight,
        "lbEndpoints": endpoints,
    })
}

/// Returns an endpoint that refuses every connection, for a share without endpoints: without it Envoy would give
/// the share to the other localities. Port 0 of a loopback address is never listened on; the address differs by
/// backend, because hosts are identified by address.
fn nobody(index: usize) -> Endpoint {
    let index = index % (250 * 250);
    Endpoint {
        priority: 0,
        zone: None,
        address: format!("127.{}.{}.1", index / 250 + 1, index % 250 + 1),
        port: 0,
        weight: 1,
        group: None,
        tags: model::Tags::default(),
        labels: model::Labels::default(),
        offered_by: String::new(),
        via: Hop::Direct,
    }
}
