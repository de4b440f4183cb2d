//! Filter chains of outbounds and gateways: one a route (spec 04 §6, §12.2).

use plan::{Direction, Listener, Match, Naming, Owner, Proxy, Route, Session};
use serde_json::{Value, json};

use super::access_log::Speaker;
use super::split::{Splits, Target};
use super::words::{extension, object, sanitised};
use super::{EnvoyOptions, Note, tcp_proxy, tls};

/// The filter chains of an outbound, or of one port of a gateway.
pub(super) fn of_listener(
    listener: &Listener,
    proxy: &Proxy,
    splits: &mut Splits<'_>,
    options: &EnvoyOptions,
    notes: &mut Vec<Note>,
) -> Vec<Value> {
    let Listener { name, direction, service, settings, routes, naming, .. } = listener;
    let direction = if *direction == Direction::Gateway { "INBOUND" } else { "OUTBOUND" };
    let speaker = Speaker { proxy, listener: name, service, direction };
    let stat_prefix = sanitised(service);
    let mut chains = Vec::new();
    // a host name that no rule speaks about is claimed by nobody
    for (claimed, route) in
        routes.iter().filter(|(claimed, route)| *claimed == Match::Everything || route.owner != Owner::Nobody)
    {
        let Route { owner: _, rule: _, split, settings: declared, refusal: _, considered: _ } = route;
        let split_name = match claimed {
            Match::Everything => format!("split:{name}"),
            Match::ServerName { pattern, session: _ } => format!("split:{name}:{pattern}"),
        };
        let forward = splits.forward(name, &split_name, split, declared, settings);
        let mut filters = Vec::new();
        filters.extend(kafka(naming, &stat_prefix, &forward.to));
        filters.extend(tcp_proxy::filter(&stat_prefix, &forward, settings, &speaker, notes));
        let mut chain = chain(filters);
        if let Match::ServerName { pattern, session } = claimed {
            chain["filterChainMatch"] = server_names(pattern, session);
            if let Some(socket) = tls::at_gateway(session, pattern, proxy.id.mesh(), options.certificate_key)
            {
                chain["transportSocket"] = socket;
            }
        }
        chains.push(chain);
    }
    chains
}

/// A filter chain; without filters it closes every connection.
pub(super) fn chain(filters: Vec<Value>) -> Value {
    if filters.is_empty() { json!({}) } else { json!({ "filters": filters }) }
}

/// The filter that counts Kafka requests on the way.
fn kafka(naming: &Naming, stat_prefix: &str, to: &Target) -> Option<Value> {
    // Without a tcp_proxy behind it the filter would end the chain, which Envoy rejects (spec 04 §6).
    let counts = naming.counts_kafka && *to != Target::Nowhere;
    counts.then(|| {
        let config = object(json!({ "statPrefix": stat_prefix }));
        let message = "extensions.filters.network.kafka_broker.v3.KafkaBroker";
        extension("envoy.filters.network.kafka_broker", message, config)
    })
}

/// Which connections a host name claims.
fn server_names(pattern: &str, session: &Session) -> Value {
    let mut claim = json!({ "transportProtocol": "tls" });
    if pattern != "*" {
        claim["serverNames"] = json!([pattern]);
    }
    if *session == Session::CrossMesh {
        claim["applicationProtocols"] = json!(["kuma"]);
    }
    claim
}
