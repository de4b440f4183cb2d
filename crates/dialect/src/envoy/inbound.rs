//! Inbounds: what other proxies dial, handed to the application on this host.

use std::net::IpAddr;

use plan::{Inbound, Plan};
use serde_json::{Value, json};

use super::words::{address, extension, object, sanitised, url};
use super::{EnvoyResources, cluster, listener, tls};

/// Adds the listeners of the inbounds and the clusters of the application's ports.
pub(super) fn add(plan: &Plan, resources: &mut EnvoyResources) {
    for inbound in &plan.inbounds {
        let Inbound {
            name,
            address: _,
            port: _,
            service_address,
            service_port,
            service: _,
            protocol: _,
            accept_proxy_protocol: _,
        } = inbound;
        let local = format!("localhost:{service_port}");
        resources.listeners.insert(name.clone(), inbound_listener(plan, inbound, &local));
        let mut tree = cluster::base(&local);
        tree["type"] = if service_address.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" }.into();
        tree["connectTimeout"] = "10s".into();
        let endpoint =
            json!({ "endpoint": { "address": address(service_address, u32::from(*service_port)) } });
        tree["loadAssignment"] =
            json!({ "clusterName": local, "endpoints": [{ "lbEndpoints": [endpoint] }] });
        resources.clusters.insert(local, tree);
    }
}

fn inbound_listener(plan: &Plan, inbound: &Inbound, local: &str) -> Value {
    let Inbound {
        name,
        address: ip,
        port,
        service_address: _,
        service_port: _,
        service,
        protocol: _,
        accept_proxy_protocol,
    } = inbound;
    let proxy = || {
        let config = object(json!({ "statPrefix": sanitised(local), "cluster": local }));
        let message = "extensions.filters.network.tcp_proxy.v3.TcpProxy";
        listener::chain(vec![extension("envoy.filters.network.tcp_proxy", message, config)])
    };
    let mut tree = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": "INBOUND",
        "enableReusePort": false,
        "address": address(ip, u32::from(*port)),
        "metadata": { "filterMetadata": { "io.kuma.tags": { "kuma.io/service": service } } },
    });
    let header = listener::reads_proxy_protocol(accept_proxy_protocol.as_ref());
    if let Some(header) = &header {
        tree["listenerFilters"] = json!([header]);
    }
    let Some(mtls) = &plan.mtls else {
        tree["filterChains"] = json!([proxy()]);
        return tree;
    };
    let mut secured = proxy();
    secured["transportSocket"] = tls::from_mesh(mtls);
    if !mtls.permissive {
        tree["filterChains"] = json!([secured]);
        return tree;
    }
    secured["filterChainMatch"] = json!({ "transportProtocol": "tls", "applicationProtocols": ["kuma"] });
    let inspector = "extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let inspects = extension("envoy.filters.listener.tls_inspector", inspector, serde_json::Map::new());
    tree["listenerFilters"] = header.into_iter().chain([inspects]).collect();
    tree["filterChains"] = json!([secured, proxy()]);
    tree
}
