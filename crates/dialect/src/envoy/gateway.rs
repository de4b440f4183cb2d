//! Builtin gateways (spec 04 §12.2).

use plan::{ConnectionSettings, GatewayHost, GatewayListener, GatewayTls, Plan};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::split::Splits;
use super::words::{address, extension, sanitised, url};
use super::{EnvoyOptions, Note, Scope, listener as listeners, tcp_proxy, tls};

/// The listener of one port of a gateway.
pub(super) fn listener(
    plan: &Plan,
    listener: &GatewayListener,
    splits: &mut Splits<'_>,
    options: &EnvoyOptions,
    notes: &mut Vec<Note>,
) -> Value {
    let GatewayListener { name, address: ip, port, tls, stat_name, hosts, connections } = listener;
    let settings = if options.scope == Scope::Proxy { connections } else { &ConnectionSettings::default() };
    let stat_prefix = sanitised(stat_name);
    let speaker = Speaker { plan, listener: name, service: stat_name, direction: "INBOUND" };
    let mut chains = Vec::new();
    for host in hosts.iter().filter(|host| host.routed || !tls) {
        let GatewayHost { hostname, tls: host_tls, split, split_settings, routed: _, origins: _ } = host;
        let split_name = if *tls { format!("split:{name}:{hostname}") } else { format!("split:{name}") };
        let forward = splits.forward(name, &split_name, split, split_settings, settings);
        let filters = tcp_proxy::filter(&stat_prefix, &forward, settings, &speaker, notes);
        let mut chain = listeners::chain(filters);
        if let Some(host_tls) = host_tls {
            chain["filterChainMatch"] = server_names(hostname, host_tls);
            let own_mesh = plan.proxy.mesh.as_str();
            if let Some(socket) = tls::at_gateway(host_tls, hostname, own_mesh, options.certificate_key) {
                chain["transportSocket"] = socket;
            }
        }
        chains.push(chain);
    }
    let header = listeners::reads_proxy_protocol(settings.accept_proxy_protocol.as_ref());
    let inspector = "extensions.filters.listener.tls_inspector.v3.TlsInspector";
    let mut tree = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": "INBOUND",
        "enableReusePort": true,
        "perConnectionBufferLimitBytes": 32768,
        "address": address(ip, u32::from(*port)),
    });
    let inspects = extension("envoy.filters.listener.tls_inspector", inspector, serde_json::Map::new());
    // The reference inspects plain TCP, too: that waits for the client's first bytes, and so for ever where the server
    // speaks first, as databases do.
    let inspects = (*tls || options.scope == Scope::TcpRoutes).then_some(inspects);
    let filters: Vec<Value> = header.into_iter().chain(inspects).collect();
    if !filters.is_empty() {
        tree["listenerFilters"] = filters.into();
    }
    if !chains.is_empty() {
        tree["filterChains"] = chains.into();
    }
    tree
}

/// Which connections a hostname claims.
fn server_names(hostname: &str, tls: &GatewayTls) -> Value {
    let mut claim = json!({ "transportProtocol": "tls" });
    if hostname != "*" {
        claim["serverNames"] = json!([hostname]);
    }
    if tls.cross_mesh {
        claim["applicationProtocols"] = json!(["kuma"]);
    }
    claim
}
