//! Settings of a cluster: load balancing, health checks, limits and sockets.

use std::time::Duration;

use model::policy::{LoadBalancer, Locality, Percent};
use plan::{ClusterSettings, ProxyProtocol, Sourced};
use serde_json::{Map, Value, json};

use super::super::reference::ReferenceDefaults;
use super::super::words::{duration, extension, object, said};
use super::health;

/// Sets the load balancing policy.
pub(in crate::envoy) fn choose(tree: &mut Value, settings: &ClusterSettings) {
    let slow_start = slow_start(settings);
    let balancer = settings.load_balancer.as_ref().map(|said| said.value);
    let (word, member, config) = match balancer {
        None if slow_start.is_none() => return,
        None | Some(LoadBalancer::RoundRobin) => {
            ("ROUND_ROBIN", "roundRobinLbConfig", json!({ "slowStartConfig": slow_start }))
        }
        Some(LoadBalancer::LeastRequest { choice_count }) => {
            let config = json!({ "choiceCount": choice_count, "slowStartConfig": slow_start });
            ("LEAST_REQUEST", "leastRequestLbConfig", config)
        }
        Some(LoadBalancer::Random) => ("RANDOM", "", Value::Null),
        Some(LoadBalancer::RingHash { min_size, max_size, murmur }) => {
            // the other one is Envoy's own
            let function = murmur.then_some("MURMUR_HASH_2");
            let config = json!({ "minimumRingSize": min_size.map(long), "maximumRingSize": max_size.map(long), "hashFunction": function });
            ("RING_HASH", "ringHashLbConfig", config)
        }
        Some(LoadBalancer::Maglev { table_size }) => {
            ("MAGLEV", "maglevLbConfig", json!({ "tableSize": table_size.map(long) }))
        }
    };
    tree["lbPolicy"] = word.into();
    let config = said(config);
    if !config.is_empty() {
        tree[member] = config.into();
    }
}

/// Number of 64 bits, which protobuf JSON writes as text.
fn long(number: u32) -> String {
    number.to_string()
}

/// Returns the slow start window, if the load balancer supports it.
pub(in crate::envoy) fn slow_start(settings: &ClusterSettings) -> Option<Value> {
    settings.growth().map(|window| json!({ "slowStartWindow": duration(window) }))
}

/// Sets everything else.
pub(in crate::envoy) fn add(tree: &mut Value, settings: &ClusterSettings, unasked: ReferenceDefaults) {
    let ClusterSettings {
        load_balancer: _,
        slow_start: _,
        // Expressed by the priorities and weights of endpoints, and by the load assignment.
        locality: _,
        max_connections,
        max_pending_connections,
        health_check,
        outlier_detection,
        panic_threshold,
        refuses_in_panic,
        proxy_protocol,
        keepalive,
        keepalive_interval,
        user_timeout,
    } = settings;
    let number = |limit: &Option<Sourced<u32>>| limit.as_ref().map(|limit| limit.value);
    limit(tree, number(max_connections), number(max_pending_connections), unasked);
    if let Some(Sourced { value, origin: _ }) = health_check {
        tree["healthChecks"] = json!([health::check(value)]);
    }
    if let Some(Sourced { value, origin: _ }) = outlier_detection {
        tree["outlierDetection"] = health::outlier(value);
    }
    if let Some(Sourced { value, origin: _ }) = panic_threshold {
        tree["commonLbConfig"]["healthyPanicThreshold"] = json!({ "value": value.as_f64() });
    }
    if refuses_in_panic.as_ref().is_some_and(|refuses| refuses.value) {
        tree["commonLbConfig"]["zoneAwareLbConfig"] = json!({ "failTrafficOnPanic": true });
    }
    if let Some(idle) = keepalive.as_ref().filter(|idle| !idle.value.is_zero()) {
        let seconds = |duration: Duration| duration.as_secs().max(1);
        let interval = keepalive_interval.as_ref().filter(|said| !said.value.is_zero());
        let keepalive = json!({
            "keepaliveTime": seconds(idle.value),
            "keepaliveInterval": interval.map(|said| seconds(said.value)),
        });
        tree["upstreamConnectionOptions"] = json!({ "tcpKeepalive": said(keepalive) });
    }
    if let Some(timeout) = user_timeout.as_ref().filter(|timeout| !timeout.value.is_zero()) {
        let millis = u64::try_from(timeout.value.as_millis()).unwrap_or(u64::MAX).max(1);
        // IPPROTO_TCP and TCP_USER_TIMEOUT of Linux: Envoy has no field for it.
        let option = json!({
            "description": "TCP_USER_TIMEOUT", "level": 6, "name": 18, "intValue": millis, "state": "STATE_PREBIND",
        });
        tree["upstreamBindConfig"] = json!({ "socketOptions": [option] });
    }
    let socket = tree.get("transportSocket").cloned();
    let matches = tree.get_mut("transportSocketMatches").and_then(Value::as_array_mut);
    let has_matches = matches.is_some();
    for socket in matches.into_iter().flatten().filter_map(|matched| matched.get_mut("transportSocket")) {
        *socket = with_header(Some(socket.take()), proxy_protocol.as_ref()).unwrap_or_default();
    }
    if let Some(socket) = with_header(socket, proxy_protocol.as_ref()).filter(|_| !has_matches) {
        tree["transportSocket"] = socket;
    }
}

/// Sets the limits of a cluster, if there are any.
pub(in crate::envoy) fn limit(
    tree: &mut Value,
    connections: Option<u32>,
    pending: Option<u32>,
    unasked: ReferenceDefaults,
) {
    let limits = said(json!({
        "maxConnections": connections,
        "maxPendingRequests": pending,
        "trackRemaining": unasked.tracks_remaining.then_some(true),
    }));
    if !limits.is_empty() {
        tree["circuitBreakers"] = json!({ "thresholds": [limits] });
    }
}

/// Wraps a transport socket so that it sends the PROXY protocol header first, if the endpoint requires it; the
/// socket itself otherwise. Absent: plaintext.
pub(in crate::envoy) fn with_header(
    socket: Option<Value>,
    version: Option<&Sourced<ProxyProtocol>>,
) -> Option<Value> {
    let version = match version.map(|said| said.value).unwrap_or_default() {
        ProxyProtocol::None => return socket,
        ProxyProtocol::V1 => "V1",
        ProxyProtocol::V2 => "V2",
    };
    let plaintext = || {
        let message = "extensions.transport_sockets.raw_buffer.v3.RawBuffer";
        extension("envoy.transport_sockets.raw_buffer", message, Map::new())
    };
    let message = "extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
    let config =
        json!({ "config": { "version": version }, "transportSocket": socket.unwrap_or_else(plaintext) });
    Some(extension("envoy.transport_sockets.upstream_proxy_protocol", message, object(config)))
}

/// Makes localities get the shares of the groups of endpoints that they stand for. Envoy cannot refuse connections
/// in panic beside it: as in the reference, that is left out.
pub(super) fn prefer_near(tree: &mut Value, settings: &ClusterSettings) {
    let has_groups = settings.locality.as_ref().is_some_and(|said| match &said.value {
        Locality::Rules { affinity, failover: _, threshold: _ } => !affinity.is_empty(),
        Locality::Ignored | Locality::OwnZoneFirst => false,
    });
    if has_groups {
        if let Some(common) = tree.get_mut("commonLbConfig").and_then(Value::as_object_mut) {
            common.shift_remove("zoneAwareLbConfig");
        }
        tree["commonLbConfig"]["localityWeightedLbConfig"] = json!({});
    }
}

/// Sets the failover threshold of a priority: Envoy takes a factor by which the healthy share is overestimated. The
/// reference takes whole ones, rounded down: at 70 % each endpoint that fails counts.
pub(in crate::envoy) fn fail_over(assignment: &mut Value, settings: &ClusterSettings) {
    if let Some(threshold) = settings.failover_threshold().map(Percent::as_f64).filter(|share| *share > 0.0) {
        let factor = (100.0 / threshold).floor() as u32 * 100;
        assignment["policy"] = json!({ "overprovisioningFactor": factor.max(100) });
    }
}
