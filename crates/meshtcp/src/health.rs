//! Health of clusters, as reported by admin servers.

use l4::counts::CounterSnapshot;
use l4::health::{ClusterHealth, EndpointHealth, Usage};
use serde_json::{Value, json};

/// Every cluster with health checks, slow start or limits, as trees.
pub(crate) fn clusters(snapshot: &CounterSnapshot) -> Vec<Value> {
    snapshot.clusters.iter().map(cluster).collect()
}

fn cluster(health: &ClusterHealth) -> Value {
    let ClusterHealth { proxy, cluster, condition, endpoints, connections, pending } = health;
    json!({
        "proxy": proxy.as_str(),
        "cluster": cluster,
        "condition": condition.as_str(),
        "connections": connections.map(usage),
        "pending": pending.map(usage),
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

fn usage(Usage { used, limit }: Usage) -> Value {
    json!({ "used": used, "limit": limit })
}

fn endpoint(health: &EndpointHealth) -> Value {
    let EndpointHealth { endpoint, state, since, why, warmth, checks, failed_checks, ejections } = health;
    json!({
        "endpoint": endpoint,
        "state": state.as_str(),
        "since": since.to_string(),
        "why": Some(why).filter(|why| !why.is_empty()),
        "warmthPercent": warmth,
        "checks": checks,
        "failedChecks": failed_checks,
        "ejections": ejections,
    })
}
