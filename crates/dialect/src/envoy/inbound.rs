//! Inbounds: what other proxies dial, handed to the application on this host.

use std::net::IpAddr;

use plan::{Accepts, Backend, ConnectionSettings, Endpoint, Listener, Proxy};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::chain::chain;
use super::destinations::Destinations;
use super::reference::Unasked;
use super::split::{Forward, Target};
use super::words::{address, duration, sanitised};
use super::{EnvoyResources, cluster, tcp_proxy, tls};

/// The filter chains of an inbound; adds the cluster of the application's port.
pub(super) fn chains(
    listener: &Listener,
    proxy: &Proxy,
    destinations: Destinations<'_>,
    resources: &mut EnvoyResources,
) -> Vec<Value> {
    let Listener { name, settings, service, accepts, .. } = listener;
    let speaker = Speaker { proxy, listener: name, service, direction: "INBOUND" };
    let backends = listener.routes().flat_map(|route| &route.split);
    let applications = backends.filter_map(Backend::cluster).filter_map(|name| destinations.get(name));
    let mut chains = Vec::new();
    for application in applications.flat_map(|application| &application.endpoints) {
        let local = format!("localhost:{}", application.port);
        let plain = filters(&local, settings, &speaker, resources);
        chains.extend(accepted(accepts, chain(plain)));
        resources.clusters.insert(local.clone(), at(&local, application, destinations.unasked));
    }
    chains
}

fn filters(
    local: &str,
    settings: &ConnectionSettings,
    speaker: &Speaker<'_>,
    resources: &mut EnvoyResources,
) -> Vec<Value> {
    let forward = Forward { to: Target::Cluster(local.to_owned()), by_client: false };
    tcp_proxy::filter(&sanitised(local), &forward, settings, speaker, &mut resources.notes)
}

/// The chain for everybody whom the listener accepts.
fn accepted(accepts: &Accepts, plain: Value) -> Vec<Value> {
    let mtls = match accepts {
        Accepts::Plaintext | Accepts::ServerName => return vec![plain],
        Accepts::Mtls(mtls) => mtls,
    };
    let mut secured = plain.clone();
    secured["transportSocket"] = tls::from_mesh(mtls);
    if !mtls.permissive {
        return vec![secured];
    }
    secured["filterChainMatch"] = json!({ "transportProtocol": "tls", "applicationProtocols": ["kuma"] });
    vec![secured, plain]
}

/// A cluster whose only endpoint is the application.
fn at(local: &str, application: &Endpoint, unasked: Unasked) -> Value {
    let mut tree = cluster::base(local);
    let literal = application.address.parse::<IpAddr>().is_ok();
    tree["type"] = if literal { "STATIC" } else { "STRICT_DNS" }.into();
    tree["connectTimeout"] = duration(unasked.connect_timeout).into();
    cluster::settings::limit(&mut tree, None, None, unasked);
    let endpoint = json!({ "endpoint": { "address": address(&application.address, application.port) } });
    tree["loadAssignment"] = json!({ "clusterName": local, "endpoints": [{ "lbEndpoints": [endpoint] }] });
    tree
}
