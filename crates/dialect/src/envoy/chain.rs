//! Filter chains of outbounds and gateways: one per route (spec 04 §6, §12.2), or several if routes have matches.

use plan::{Listener, ListenerTls, Match, Naming, Owner, Proxy, Route};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::split::{Splits, Target};
use super::words::{extension, object, sanitised};
use super::{EnvoyOptions, Note, cells, tcp_proxy, tls};
use crate::access_log_format::Placeholders;

/// Returns the filter chains of an outbound, or of one port of a gateway.
pub(super) fn of_listener(
    listener: &Listener,
    proxy: &Proxy,
    splits: &mut Splits<'_>,
    options: &EnvoyOptions,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let Listener { name, service, accepts, settings, routes, naming, .. } = listener;
    let speaker = Speaker { listener: name, placeholders: Placeholders::of(listener, proxy) };
    let stat_prefix = sanitised(service);
    let waits = |(claimed, _): &(Match, Route)| claimed.server_name.is_some();
    let decided_at_once =
        |(claimed, _): &(Match, Route)| claimed.server_name.is_none() && claimed.source.is_some();
    if *accepts == ListenerTls::Plaintext && routes.iter().any(waits) && routes.iter().any(decided_at_once) {
        let text = "a match by source alone waits for the client hello as well: Envoy looks for it before it asks who comes from where";
        notes.push(Note { listener: name.clone(), text: text.into() });
    }
    // a host name without any rule has no chain
    let is_served =
        |(claimed, route): &&(Match, Route)| claimed.shown().is_everything() || route.owner != Owner::Nobody;
    let served: Vec<&(Match, Route)> = routes.iter().filter(is_served).collect();
    let mut carried = Vec::new();
    for (claimed, route) in &served {
        let Route { owner: _, rule: _, session: _, split, settings: declared, refusal: _, considered: _ } =
            route;
        let shown = claimed.shown();
        let split_name = match shown.is_everything() {
            true => format!("split:{name}"),
            false => format!("split:{name}:{shown}"),
        };
        let forward = splits.forward(name, &split_name, split, declared, settings);
        let mut filters = Vec::new();
        filters.extend(kafka(naming, &stat_prefix, &forward.to));
        filters.extend(tcp_proxy::filter(&stat_prefix, &forward, settings, &speaker, notes));
        carried.push(filters);
    }
    let claims: Vec<&Match> = served.iter().map(|(claimed, _)| claimed).collect();
    let chains = cells::of(&claims).into_iter().map(|cell| {
        let session = served[cell.route].1.session.as_ref();
        let mut chain = chain(carried[cell.route].clone());
        if let Some(matched) = cell.matched(session) {
            chain["filterChainMatch"] = matched;
        }
        let (hostname, key) = (cell.hostname(), options.certificate_key);
        if let Some(socket) =
            session.and_then(|session| tls::at_gateway(session, hostname, proxy.id.mesh(), key))
        {
            chain["transportSocket"] = socket;
        }
        chain
    });
    chains.collect()
}

/// Builds a filter chain; without filters it closes every connection.
pub(super) fn chain(filters: Vec<Value>) -> Value {
    if filters.is_empty() { json!({}) } else { json!({ "filters": filters }) }
}

/// Returns the filter that counts Kafka requests.
pub(super) fn kafka(naming: &Naming, stat_prefix: &str, to: &Target) -> Option<Value> {
    // Without a tcp_proxy behind it the filter would end the chain, which Envoy rejects (spec 04 §6).
    let counts = naming.counts_kafka && *to != Target::Nowhere;
    counts.then(|| {
        let config = object(json!({ "statPrefix": stat_prefix }));
        let message = "extensions.filters.network.kafka_broker.v3.KafkaBroker";
        extension("envoy.filters.network.kafka_broker", message, config)
    })
}
