//! Inbounds: addresses that other proxies dial, with the application on this host behind them.

use std::net::IpAddr;

use plan::{Backend, Bind, Cluster, ConnectionSettings, Endpoint, Listener, ListenerTls, Naming, Proxy};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::chain::{chain, kafka};
use super::destinations::Destinations;
use super::reference::ReferenceDefaults;
use super::split::{Forward, Target};
use super::words::{address, duration, sanitised};
use super::{EnvoyResources, cluster, inbound_tls, rbac, redirected, tcp_proxy};
use crate::access_log_format::Placeholders;
use crate::redirected::Family;

/// Returns the filter chains of an inbound; adds the cluster of the application's port.
pub(super) fn chains(
    listener: &Listener,
    proxy: &Proxy,
    destinations: Destinations<'_>,
    resources: &mut EnvoyResources,
) -> Vec<Value> {
    let Listener { name, bind, settings, naming, .. } = listener;
    let speaker = Speaker { listener: name, placeholders: Placeholders::of(listener, proxy) };
    let backends = listener.routes().flat_map(|route| &route.split);
    let applications = backends.filter_map(Backend::cluster).filter_map(|name| destinations.get(name));
    let mut chains = Vec::new();
    for (application, endpoint) in applications
        .flat_map(|application| application.endpoints.iter().map(move |endpoint| (application, endpoint)))
    {
        let local = if naming.unified { name.clone() } else { format!("localhost:{}", endpoint.port) };
        let plain = filters(&local, naming, settings, &speaker, resources);
        chains.extend(accepted(listener, plain));
        resources
            .clusters
            .insert(local.clone(), at(&local, application, endpoint, bind, destinations.unasked));
    }
    chains
}

fn filters(
    local: &str,
    naming: &Naming,
    settings: &ConnectionSettings,
    speaker: &Speaker<'_>,
    resources: &mut EnvoyResources,
) -> Vec<Value> {
    let forward = Forward { to: Target::Cluster(local.to_owned()), by_client: false };
    let stat_prefix = sanitised(local);
    let kafka = kafka(naming, &stat_prefix, &forward.to);
    let proxy = tcp_proxy::filter(&stat_prefix, &forward, settings, speaker, &mut resources.notes);
    kafka.into_iter().chain(proxy).collect()
}

/// Returns the chains for all clients that the listener accepts.
fn accepted(Listener { name, accepts, .. }: &Listener, plain: Vec<Value>) -> Vec<Value> {
    let terminated = match accepts {
        ListenerTls::Plaintext | ListenerTls::ServerName => return vec![chain(plain)],
        ListenerTls::Mtls(terminated) => terminated,
    };
    let permitted = [rbac::filter(&terminated.permissions, name)].into_iter().chain(plain.iter().cloned());
    let mut secured = chain(permitted.collect());
    secured["transportSocket"] = inbound_tls::socket(terminated);
    if !terminated.permissive {
        return vec![secured];
    }
    let passed_on = |matched: Value| {
        let mut chain = chain(plain.clone());
        chain["filterChainMatch"] = matched;
        chain
    };
    secured["filterChainMatch"] = json!({ "transportProtocol": "tls", "applicationProtocols": ["kuma"] });
    vec![
        passed_on(json!({ "transportProtocol": "raw_buffer" })),
        passed_on(json!({ "transportProtocol": "tls" })),
        secured,
    ]
}

/// Returns a cluster whose only endpoint is the application.
fn at(
    local: &str,
    application: &Cluster,
    endpoint: &Endpoint,
    bind: &Bind,
    unasked: ReferenceDefaults,
) -> Value {
    let mut tree = cluster::base(local);
    let ip = endpoint.address.parse::<IpAddr>().ok();
    tree["type"] = if ip.is_some() { "STATIC" } else { "STRICT_DNS" }.into();
    // connections that the kernel redirects to the proxy must not come back to it
    if let Some(ip) = ip.filter(|ip| bind.captured && !ip.is_loopback()) {
        tree["upstreamBindConfig"] = redirected::from_address(Family::of(ip));
    }
    let connect = application.connect_timeout.as_ref().map_or(unasked.connect_timeout, |said| said.value);
    tree["connectTimeout"] = duration(connect).into();
    cluster::settings::add(&mut tree, &application.settings, unasked);
    let endpoint = json!({ "endpoint": { "address": address(&endpoint.address, endpoint.port) } });
    tree["loadAssignment"] = json!({ "clusterName": local, "endpoints": [{ "lbEndpoints": [endpoint] }] });
    tree
}
