//! Zone proxies: connections are told apart by the server name of mesh TLS, which stays closed (spec 04 §10.2).
//!
//! Several server names share the cluster of a service, and choose among its endpoints by tags.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plan::{Backend, Fate, Listener, Match, Proxy};
use serde_json::{Map, Value, json};

use super::destinations::Destinations;
use super::reference::Unasked;
use super::words::{duration, extension, object, sanitised};
use super::{EnvoyResources, chain, cluster, endpoint};

/// The filter chains of a zone proxy. A listener without any is rejected; one that offers nothing says who it is, or closes
/// what it accepts.
pub(super) fn chains(listener: &Listener, proxy: &Proxy, unasked: Unasked) -> Vec<Value> {
    let routes = listener.routes.iter();
    let chains =
        routes.flat_map(|(claimed, route)| route.split.iter().filter_map(|to| to_cluster(claimed, to)));
    let chains: Vec<Value> = chains.collect();
    match chains.is_empty() {
        true => vec![chain::chain(unasked.empty_ingress_answers.then(|| name(proxy)).into_iter().collect())],
        false => chains,
    }
}

/// The filter that tells a client which proxy it reached, and ends the connection.
fn name(Proxy { id, service: _, zone, address: _ }: &Proxy) -> Value {
    let text = json!({ "proxy": id.key().node_id(), "zone": zone }).to_string();
    let config = json!({ "response": { "inlineBytes": STANDARD.encode(text) } });
    let message = "extensions.filters.network.direct_response.v3.Config";
    extension("envoy.filters.network.direct_response", message, object(config))
}

fn to_cluster(claimed: &Match, backend: &Backend) -> Option<Value> {
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
        tree["connectTimeout"] = duration(destinations.unasked.connect_timeout).into();
        if !selectors.is_empty() {
            tree["lbSubsetConfig"] =
                json!({ "fallbackPolicy": "ANY_ENDPOINT", "subsetSelectors": selectors });
        }
        resources.clusters.insert(name.to_owned(), tree);
        let assignment = endpoint::assignment(name, &of_service.endpoints, None);
        resources.endpoints.insert(name.to_owned(), assignment);
    }
}
