//! Outbounds as listeners (spec 04 §6).

use plan::{ConnectionSettings, Outbound, Plan, Sourced};
use serde_json::{Map, Value, json};

use super::access_log::Speaker;
use super::split::{Forward, Target};
use super::words::{address, extension, object, sanitised, url};
use super::{Note, Scope, tcp_proxy};

/// The listener of an outbound.
pub(super) fn outbound(
    plan: &Plan,
    outbound: &Outbound,
    forward: &Forward,
    scope: Scope,
    notes: &mut Vec<Note>,
) -> Value {
    let Outbound {
        name,
        address: ip,
        port,
        bind,
        destination: _,
        stat_name,
        unified,
        marks,
        counts_kafka,
        protocol: _,
        owner: _,
        split: _,
        split_settings: _,
        refusal: _,
        reference_omits: _,
        connections,
        considered: _,
    } = outbound;
    let stat_prefix = sanitised(stat_name);
    let mut filters = Vec::new();
    // Without a tcp_proxy behind it the filter would end the chain, which Envoy rejects (spec 04 §6).
    if *counts_kafka && (scope == Scope::TcpRoutes || forward.to != Target::Nowhere) {
        let config = object(json!({ "statPrefix": stat_prefix }));
        let message = "extensions.filters.network.kafka_broker.v3.KafkaBroker";
        filters.push(extension("envoy.filters.network.kafka_broker", message, config));
    }
    let speaker = Speaker { plan, listener: name, service: stat_name, direction: "OUTBOUND" };
    let settings = if scope == Scope::Proxy { connections } else { &ConnectionSettings::default() };
    filters.extend(tcp_proxy::filter(&stat_prefix, forward, settings, &speaker, notes));
    let marks: Map<String, Value> = marks.iter().map(|(key, value)| (key.into(), value.into())).collect();
    let mut tree = json!({
        "@type": url("config.listener.v3.Listener"),
        "name": name,
        "trafficDirection": "OUTBOUND",
        "address": address(ip, u32::from(*port)),
        "metadata": { "filterMetadata": { "io.kuma.tags": marks } },
        "filterChains": [chain(filters)],
    });
    if !bind {
        tree["bindToPort"] = false.into();
    }
    if *unified {
        tree["statPrefix"] = name.as_str().into();
    }
    tree
}

/// The filter that reads a PROXY protocol header, where clients send one.
pub(super) fn reads_proxy_protocol(accept: Option<&Sourced<bool>>) -> Option<Value> {
    let message = "extensions.filters.listener.proxy_protocol.v3.ProxyProtocol";
    accept
        .is_some_and(|accept| accept.value)
        .then(|| extension("envoy.filters.listener.proxy_protocol", message, Map::new()))
}

/// A filter chain; without filters it closes every connection.
pub(super) fn chain(filters: Vec<Value>) -> Value {
    if filters.is_empty() { json!({}) } else { json!({ "filters": filters }) }
}
