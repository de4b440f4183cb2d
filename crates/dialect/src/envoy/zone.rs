//! Zone proxies: connections are told apart by the server name of mesh TLS, which stays closed (spec 04 §10.2).
//!
//! Several server names share the cluster of a service, and choose among its endpoints by tags.

use std::collections::BTreeMap;

use plan::{Backend, Fate, Listener, Match};
use serde_json::{Map, Value, json};

use super::destinations::Destinations;
use super::words::{extension, object, sanitised};
use super::{EnvoyResources, cluster, endpoint};

/// The filter chains of a zone proxy. A listener without any is rejected; an empty one closes what it accepts.
pub(super) fn chains(listener: &Listener) -> Vec<Value> {
    let routes = listener.routes.iter();
    let chains = routes.flat_map(|(claimed, route)| route.split.iter().filter_map(|to| chain(claimed, to)));
    let chains: Vec<Value> = chains.collect();
    if chains.is_empty() { vec![json!({})] } else { chains }
}

fn chain(claimed: &Match, backend: &Backend) -> Option<Value> {
    let Fate::Routed { cluster, subset } = &backend.fate else { return None };
    let mut config = object(json!({ "statPrefix": sanitised(cluster), "cluster": cluster }));
    if !subset.is_empty() {
        let tags: Map<String, Value> = subset.iter().map(|(key, value)| (key.into(), value.into())).collect();
        config.insert("metadataMatch".into(), json!({ "filterMetadata": { "envoy.lb": tags } }));
    }
    let message = "extensions.filters.network.tcp_proxy.v3.TcpProxy";
    Some(json!({
        "filterChainMatch": { "transportProtocol": "tls", "serverNames": [claimed.hostname()] },
        "filters": [extension("envoy.filters.network.tcp_proxy", message, config)],
    }))
}

/// Adds the clusters behind the routes of a zone proxy.
pub(super) fn add_clusters(
    listener: &Listener,
    destinations: Destinations<'_>,
    resources: &mut EnvoyResources,
) {
    // by cluster: the sets of keys by which routes choose among its endpoints
    let mut selectors: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for backend in listener.routes().flat_map(|route| &route.split) {
        let Fate::Routed { cluster, subset } = &backend.fate else { continue };
        let selectors = selectors.entry(cluster).or_default();
        let keys: Vec<&str> = subset.iter().map(|(key, _)| key).collect();
        let selector = json!({ "fallbackPolicy": "NO_FALLBACK", "keys": keys });
        if !keys.is_empty() && !selectors.contains(&selector) {
            selectors.push(selector);
        }
    }
    for (name, selectors) in selectors {
        let Some(of_service) = destinations.get(name) else { continue };
        let mut tree = cluster::base(name);
        cluster::discovered(&mut tree);
        tree["connectTimeout"] = "5s".into();
        if !selectors.is_empty() {
            tree["lbSubsetConfig"] =
                json!({ "fallbackPolicy": "ANY_ENDPOINT", "subsetSelectors": selectors });
        }
        resources.clusters.insert(name.to_owned(), tree);
        let assignment = endpoint::assignment(name, &of_service.endpoints);
        resources.endpoints.insert(name.to_owned(), assignment);
    }
}
