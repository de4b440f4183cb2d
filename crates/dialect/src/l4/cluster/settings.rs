//! Settings of a cluster: load balancing, health checks, limits and sockets.

use std::time::Duration;

use model::policy::{HealthCheck as Check, LoadBalancer, OutlierDetection as Outlier, Percent};
use plan::{Cluster as PlanCluster, ClusterSettings, ProxyProtocol as Version, Sourced};
use xds::proto::l4::{
    Balancing, BalancingPolicy, Cluster, HealthCheck, Keepalive, OutlierDetection, ProxyProtocol,
};

use super::millis;
use crate::no_growth;

/// Builds a cluster with nothing but its settings.
pub(super) fn of(settings: &ClusterSettings) -> Cluster {
    let ClusterSettings {
        load_balancer,
        slow_start: _,
        // Expressed by the priorities and weights of the endpoints, except for the threshold.
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
    let proxy_protocol = match proxy_protocol.as_ref().map(|said| said.value).unwrap_or_default() {
        Version::None => ProxyProtocol::None,
        Version::V1 => ProxyProtocol::V1,
        Version::V2 => ProxyProtocol::V2,
    };
    Cluster {
        balancing: balancing(load_balancer.as_ref().map(|said| said.value), settings.growth()),
        max_connections: value(max_connections),
        max_pending_connections: value(max_pending_connections),
        health_check: health_check.as_ref().map(|said| check(&said.value)),
        outlier: outlier_detection.as_ref().and_then(|said| outlier(&said.value)),
        proxy_protocol: proxy_protocol.into(),
        keepalive: keepalive.as_ref().filter(|idle| !idle.value.is_zero()).map(|idle| Keepalive {
            idle_ms: millis(idle.value),
            interval_ms: keepalive_interval.as_ref().map(|said| millis(said.value)).unwrap_or_default(),
            ..Keepalive::default()
        }),
        user_timeout_ms: user_timeout.as_ref().map(|said| millis(said.value)).unwrap_or_default(),
        failover_threshold_percent: settings.failover_threshold().map(Percent::rounded).unwrap_or_default(),
        panic_threshold_percent: panic_threshold.as_ref().map(|said| said.value.rounded()),
        fail_on_panic: value(refuses_in_panic),
        ..Cluster::default()
    }
}

/// Returns the settings that this proxy does not support, in words.
pub(in crate::l4) fn notes(cluster: &PlanCluster) -> Vec<String> {
    let mut notes: Vec<String> = no_growth(cluster).into_iter().collect();
    let Some(Sourced { value, origin }) = &cluster.settings.outlier_detection else { return notes };
    let Outlier {
        interval: _,
        base_ejection: _,
        max_ejection: _,
        // Consecutive failures: counted, see `outlier`.
        splits_errors: _,
        total_failures: _,
        gateway_failures: _,
        local_origin_failures: _,
        success_rate,
        failure_percentage,
    } = value;
    let counts_in_a_row = if value.connect_failures().is_some() {
        "it counts failed connections in a row"
    } else {
        "no endpoint is left out: add a detector of consecutive failures"
    };
    let detectors = [
        ("success rates", success_rate.is_some()),
        ("the percentage of failures", failure_percentage.is_some()),
    ];
    let wanted = detectors.into_iter().filter(|(_, wanted)| *wanted);
    notes.extend(wanted.map(|(what, _)| {
        format!(
            "{}: {origin} asks for {what}, which this proxy does not compute; {counts_in_a_row}",
            cluster.name
        )
    }));
    notes
}

fn value<T: Copy + Default>(said: &Option<Sourced<T>>) -> T {
    said.as_ref().map(|said| said.value).unwrap_or_default()
}

fn balancing(balancer: Option<LoadBalancer>, growth: Option<Duration>) -> Option<Balancing> {
    if balancer.is_none() && growth.is_none() {
        return None;
    }
    let slow_start_ms = growth.map(millis).unwrap_or_default();
    let mut balancing = Balancing { slow_start_ms, ..Balancing::default() };
    balancing.policy = match balancer.unwrap_or(LoadBalancer::RoundRobin) {
        LoadBalancer::RoundRobin => BalancingPolicy::RoundRobin,
        LoadBalancer::LeastRequest { choice_count } => {
            balancing.choice_count = choice_count.unwrap_or_default();
            BalancingPolicy::LeastConnections
        }
        LoadBalancer::Random => BalancingPolicy::Random,
        LoadBalancer::RingHash { min_size, max_size, murmur: _ } => {
            balancing.min_ring_size = min_size.unwrap_or_default();
            balancing.max_ring_size = max_size.unwrap_or_default();
            BalancingPolicy::RingHash
        }
        LoadBalancer::Maglev { table_size } => {
            balancing.table_size = table_size.unwrap_or_default();
            BalancingPolicy::Maglev
        }
    }
    .into();
    Some(balancing)
}

fn check(check: &Check) -> HealthCheck {
    let Check {
        interval,
        timeout,
        unhealthy_threshold,
        healthy_threshold,
        initial_jitter,
        interval_jitter,
        interval_jitter_percent,
        // This proxy always checks at the interval, and each check is a connection of its own.
        no_traffic_interval: _,
        reuse_connection: _,
        send,
        receive,
    } = check;
    HealthCheck {
        interval_ms: millis(*interval),
        timeout_ms: millis(*timeout),
        unhealthy_threshold: *unhealthy_threshold,
        healthy_threshold: *healthy_threshold,
        initial_jitter_ms: initial_jitter.map(millis).unwrap_or_default(),
        interval_jitter_ms: interval_jitter.map(millis).unwrap_or_default(),
        interval_jitter_percent: interval_jitter_percent.unwrap_or_default(),
        send: send.clone(),
        receive: receive.clone(),
    }
}

/// Converts the outlier detection; absent: no detector counts consecutive failures, the only ones this proxy
/// supports.
fn outlier(detection: &Outlier) -> Option<OutlierDetection> {
    let consecutive_failures = detection.connect_failures()?;
    let Outlier {
        interval,
        base_ejection,
        max_ejection,
        // Decides which count is `connect_failures`; the others are in `notes`.
        splits_errors: _,
        total_failures: _,
        gateway_failures: _,
        local_origin_failures: _,
        success_rate: _,
        failure_percentage: _,
    } = detection;
    Some(OutlierDetection {
        interval_ms: millis(*interval),
        base_ejection_ms: millis(*base_ejection),
        max_ejection_percent: max_ejection.rounded(),
        consecutive_failures,
    })
}
