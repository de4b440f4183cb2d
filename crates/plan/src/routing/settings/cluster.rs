//! Settings of a destination: load balancing, health checks, limits and sockets.

use std::time::Duration;

use model::Resource;
use model::declared::Declared;
use model::policy::{CircuitBreakerConf, HealthCheckConf, LoadBalancingConf};

use super::{of_destination, sourced, together};
use crate::plan::{ClusterSettings, PolicyOrigin, Sourced};
use crate::reader::Reader;
use crate::rules::Merged;

/// Rules of each policy kind about one destination.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::routing) struct SaidOfCluster<'r> {
    pub(in crate::routing) timeout: Option<&'r Merged>,
    pub(in crate::routing) load_balancing: Option<&'r Merged>,
    pub(in crate::routing) health_check: Option<&'r Merged>,
    pub(in crate::routing) circuit_breaker: Option<&'r Merged>,
}

/// Returns the settings of a destination, by policies and by the labels of the resource behind it.
pub(in crate::routing) fn of_cluster(
    reader: &Reader<'_>,
    said: SaidOfCluster<'_>,
    resource: Option<&Resource>,
) -> ClusterSettings {
    let SaidOfCluster { timeout: _, load_balancing, health_check, circuit_breaker } = said;
    let threshold = sourced(reader, health_check, |said: &HealthCheckConf| said.panic_threshold)
        .or_else(|| sourced(reader, circuit_breaker, CircuitBreakerConf::panic_threshold));
    ClusterSettings {
        load_balancer: sourced(reader, load_balancing, LoadBalancingConf::load_balancer),
        slow_start: slow_start(reader, load_balancing),
        locality: together(
            reader,
            load_balancing,
            |said: &LoadBalancingConf| Some(said.locality()),
            |said| said.locality.is_some(),
        ),
        max_connections: sourced(reader, circuit_breaker, |said: &CircuitBreakerConf| said.max_connections),
        max_pending_connections: sourced(reader, circuit_breaker, |said: &CircuitBreakerConf| {
            said.max_pending_connections
        }),
        health_check: together(reader, health_check, HealthCheckConf::check, |_| true),
        outlier_detection: together(reader, circuit_breaker, CircuitBreakerConf::outlier_detection, |said| {
            said.outlier.is_some()
        }),
        panic_threshold: threshold,
        refuses_in_panic: sourced(reader, health_check, |said: &HealthCheckConf| said.fail_on_panic),
        proxy_protocol: resource.and_then(|resource| of_destination(resource, Declared::proxy_protocol)),
        ..ClusterSettings::default()
    }
}

/// Returns the label of the most important of the merged policies that has it.
fn slow_start(reader: &Reader<'_>, merged: Option<&Merged>) -> Option<Sourced<Duration>> {
    merged?.origins.iter().rev().find_map(|policy| {
        let resource = reader.by_id(&policy.policy)?;
        let value = Declared::by(&resource.meta().labels).slow_start()?;
        Some(Sourced { value, origin: PolicyOrigin::of(resource) })
    })
}
