//! The ingress of a zone (spec 04 §10.2).

use plan::{IngressCluster, IngressEntry, IngressPlan};
use serde_json::{Map, Value, json};

use super::words::{address, extension, object, sanitised, url};
use super::{EnvoyResources, cluster, endpoint};

/// Says the plan of a zone ingress in Envoy's words.
pub fn lower_ingress(plan: &IngressPlan) -> EnvoyResources {
    let IngressPlan { name, address: ip, port, entries, clusters } = plan;
    let mut resources = EnvoyResources::default();
    // A listener without any chain is rejected; an empty chain closes what it accepts.
    let chains: Vec<Value> =
        if entries.is_empty() { vec![json!({})] } else { entries.iter().map(chain).collect() };
    let inspector = "extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let listener = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": "INBOUND",
        "enableReusePort": false,
        "address": address(ip, u32::from(*port)),
        "listenerFilters": [extension("envoy.filters.listener.tls_inspector", inspector, Map::new())],
        "filterChains": chains,
    });
    resources.listeners.insert(name.clone(), listener);
    for (name, IngressCluster { name: _, subset_keys, endpoints }) in clusters {
        let mut tree = cluster::base(name);
        cluster::discovered(&mut tree);
        tree["connectTimeout"] = "5s".into();
        if !subset_keys.is_empty() {
            let selectors: Vec<Value> = subset_keys
                .iter()
                .map(|keys| json!({ "fallbackPolicy": "NO_FALLBACK", "keys": keys }))
                .collect();
            tree["lbSubsetConfig"] =
                json!({ "fallbackPolicy": "ANY_ENDPOINT", "subsetSelectors": selectors });
        }
        resources.clusters.insert(name.clone(), tree);
        resources.endpoints.insert(name.clone(), endpoint::assignment(name, endpoints));
    }
    resources
}

fn chain(IngressEntry { sni, cluster, subset }: &IngressEntry) -> Value {
    let mut config = object(json!({ "statPrefix": sanitised(cluster), "cluster": cluster }));
    if !subset.is_empty() {
        let tags: Map<String, Value> = subset.iter().map(|(key, value)| (key.into(), value.into())).collect();
        config.insert("metadataMatch".into(), json!({ "filterMetadata": { "envoy.lb": tags } }));
    }
    let message = "extensions.filters.network.tcp_proxy.v3.TcpProxy";
    json!({
        "filterChainMatch": { "transportProtocol": "tls", "serverNames": [sni] },
        "filters": [extension("envoy.filters.network.tcp_proxy", message, config)],
    })
}
