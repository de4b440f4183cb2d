//! What a plan asks for, the messages say, and this proxy does not do yet: never silently.

use model::policy::{LoadBalancer, Percent};
use plan::{Cluster, ClusterSettings, Panic, PolicyOrigin, Sourced, SplitSettings, Sticky};

/// The remarks about one destination.
pub(super) fn of_cluster(cluster: &Cluster) -> Vec<String> {
    let ClusterSettings {
        load_balancer,
        slow_start: _,
        locality,
        max_connections,
        max_pending_connections,
        health_check,
        outlier_detection,
        panic: Panic { threshold: _, refuses: _ },
        proxy_protocol: _,
        keepalive: _,
        user_timeout: _,
    } = &cluster.settings;
    let chooses = load_balancer.as_ref().filter(|balancer| balancer.value != LoadBalancer::RoundRobin);
    let grows = cluster.settings.growth().and(cluster.settings.slow_start.as_ref());
    let threshold = cluster.settings.failover_threshold().filter(|t| *t > Percent::whole(0));
    let asked = [
        (chooses.map(origin), "a load balancer other than round robin"),
        (grows.map(origin), "a slow start"),
        (threshold.and(locality.as_ref()).map(origin), "a failover threshold"),
        (max_connections.as_ref().map(origin), "a limit of connections"),
        (max_pending_connections.as_ref().map(origin), "a limit of connects"),
        (health_check.as_ref().map(origin), "health checks"),
        (outlier_detection.as_ref().map(origin), "the ejection of endpoints"),
    ];
    remarks(&cluster.name, asked)
}

/// The remarks about one split.
pub(super) fn of_split(route: &str, settings: &SplitSettings) -> Vec<String> {
    let SplitSettings { sticky, existing: _, retry_other_side, drain_grace: _ } = settings;
    let sticks = sticky.as_ref().filter(|sticky| sticky.value == Sticky::SourceIp);
    let retries = retry_other_side.as_ref().filter(|retry| retry.value);
    remarks(
        route,
        [(sticks.map(origin), "a sticky split"), (retries.map(origin), "retries at another backend")],
    )
}

fn remarks<const N: usize>(name: &str, asked: [(Option<&PolicyOrigin>, &str); N]) -> Vec<String> {
    let asked = asked.into_iter().filter_map(|(origin, what)| Some((origin?, what)));
    asked
        .map(|(origin, what)| format!("{name}: {origin} asks for {what}, which this proxy does not do yet"))
        .collect()
}

fn origin<T>(said: &Sourced<T>) -> &PolicyOrigin {
    &said.origin
}
