//! Metrics of clusters with health checks, ejection, slow start or limits.
//!
//! The first endpoints of each cluster have series of their own, up to the limit of those with counters of their
//! own; all of them are in the numbers of their cluster.

use l4::balance::Condition;
use l4::health::{ClusterHealth, EndpointHealth, EndpointState, Usage};

use super::sample::{Family, Labels, Sample, families};
use crate::counters::COUNTED_ENDPOINTS;

/// Returns all metrics about health.
pub(super) fn families(clusters: &[ClusterHealth]) -> Vec<Family<'_>> {
    families! {
        "meshtcp_cluster_endpoints", "The endpoints of a cluster, by how they are",
            Gauge, by_state(clusters);
        "meshtcp_cluster_condition", "1 for how a cluster is: calm, panic (health is not believed) or down",
            Gauge, conditions(clusters);
        "meshtcp_cluster_connections", "Connections of a cluster that has a limit of them",
            Gauge, each_usage(clusters, |cluster| cluster.connections, |usage| usage.used);
        "meshtcp_cluster_connections_limit", "How many connections a cluster may have",
            Gauge, each_usage(clusters, |cluster| cluster.connections, |usage| usage.limit);
        "meshtcp_cluster_connects_pending",
        "Connections that are being established, of a cluster that has a limit of them",
            Gauge, each_usage(clusters, |cluster| cluster.pending, |usage| usage.used);
        "meshtcp_cluster_connects_pending_limit",
        "How many connections of a cluster may be on the way to being established",
            Gauge, each_usage(clusters, |cluster| cluster.pending, |usage| usage.limit);
        "meshtcp_endpoint_healthy",
        "1 for an endpoint that takes connections, 0 for one that is down or set aside",
            Gauge, each_endpoint(clusters, |it| Sample::Count(it.state.takes_connections().into()));
        "meshtcp_endpoint_ejected", "1 for an endpoint that is set aside because connections to it failed",
            Gauge, each_endpoint(clusters, |it| Sample::Count((it.state == EndpointState::Ejected).into()));
        "meshtcp_endpoint_warmth_ratio",
        "How much of its weight an endpoint gets, 0 to 1: less than 1 during a slow start",
            Gauge, each_endpoint(clusters, |it| Sample::Value(f64::from(it.warmth) / 100.0));
        "meshtcp_endpoint_checks", "Active checks of an endpoint",
            Counter, each_endpoint(clusters, |it| Sample::Count(it.checks));
        "meshtcp_endpoint_checks_failed", "Active checks of an endpoint that failed",
            Counter, each_endpoint(clusters, |it| Sample::Count(it.failed_checks));
        "meshtcp_endpoint_ejections", "How often an endpoint was set aside",
            Counter, each_endpoint(clusters, |it| Sample::Count(it.ejections));
    }
}

fn labels(cluster: &ClusterHealth) -> Labels<'_> {
    vec![("proxy", cluster.proxy.as_str()), ("cluster", &cluster.cluster)]
}

fn by_state(clusters: &[ClusterHealth]) -> Vec<(Labels<'_>, Sample)> {
    let each = clusters.iter().flat_map(|cluster| EndpointState::ALL.map(|state| (cluster, state)));
    let each = each.map(|(cluster, state)| {
        let mut labels = labels(cluster);
        labels.push(("state", state.as_str()));
        (labels, Sample::Count(cluster.count(state) as u64))
    });
    each.collect()
}

fn conditions(clusters: &[ClusterHealth]) -> Vec<(Labels<'_>, Sample)> {
    let each = clusters.iter().flat_map(|cluster| Condition::ALL.map(|condition| (cluster, condition)));
    let each = each.map(|(cluster, condition)| {
        let mut labels = labels(cluster);
        labels.push(("condition", condition.as_str()));
        (labels, Sample::Count((cluster.condition == condition).into()))
    });
    each.collect()
}

fn each_usage(
    clusters: &[ClusterHealth],
    of: impl Fn(&ClusterHealth) -> Option<Usage>,
    number: impl Fn(Usage) -> usize,
) -> Vec<(Labels<'_>, Sample)> {
    let each = clusters.iter().filter_map(|cluster| {
        let number = number(of(cluster)?);
        Some((labels(cluster), Sample::Count(number as u64)))
    });
    each.collect()
}

fn each_endpoint(
    clusters: &[ClusterHealth],
    sample: impl Fn(&EndpointHealth) -> Sample,
) -> Vec<(Labels<'_>, Sample)> {
    let mut samples = Vec::new();
    for cluster in clusters {
        let told = cluster.endpoints.get(..COUNTED_ENDPOINTS).unwrap_or(&cluster.endpoints);
        for (index, endpoint) in told.iter().enumerate() {
            // a duplicate address would be a duplicate series, which makes all of them invalid
            if told.iter().take(index).any(|before| before.endpoint == endpoint.endpoint) {
                continue;
            }
            let mut labels = labels(cluster);
            labels.push(("endpoint", &endpoint.endpoint));
            samples.push((labels, sample(endpoint)));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use l4::config::ProxyName;

    fn cluster(endpoints: usize) -> ClusterHealth {
        let endpoint = |number: usize| EndpointHealth {
            endpoint: Arc::from(format!("10.0.0.{number}:80")),
            state: if number.is_multiple_of(2) { EndpointState::Up } else { EndpointState::Down },
            since: Timestamp::UNIX_EPOCH,
            why: Arc::default(),
            warmth: 100,
            checks: 2,
            failed_checks: 1,
            ejections: 0,
        };
        ClusterHealth {
            proxy: ProxyName::from("web"),
            cluster: "redis".into(),
            condition: Condition::Panic,
            endpoints: (0..endpoints).map(endpoint).collect(),
            connections: Some(Usage { used: 1, limit: 3 }),
            pending: None,
        }
    }

    fn samples<'a>(families: &'a [Family<'_>], name: &str) -> &'a [(Labels<'a>, Sample)] {
        families.iter().find(|family| family.0 == name).map(|family| family.3.as_slice()).unwrap()
    }

    #[test]
    fn however_many_endpoints_there_are_only_so_many_are_told_one_by_one() {
        let clusters = [cluster(1000)];
        let families = families(&clusters);
        for (name, _, _, samples) in &families {
            let per_endpoint = name.starts_with("meshtcp_endpoint_");
            assert!(samples.len() <= if per_endpoint { COUNTED_ENDPOINTS } else { 4 }, "{name}");
        }
        let down = samples(&families, "meshtcp_cluster_endpoints")
            .iter()
            .find(|it| it.0.contains(&("state", "down")));
        assert!(matches!(down.unwrap().1, Sample::Count(500)), "and all are in the numbers");
    }

    #[test]
    fn an_address_that_is_there_twice_is_told_once() {
        let mut twice = cluster(2);
        twice.endpoints[1].endpoint = Arc::clone(&twice.endpoints[0].endpoint);
        assert_eq!(samples(&families(&[twice]), "meshtcp_endpoint_healthy").len(), 1);
    }

    #[test]
    fn only_limits_that_exist_are_told() {
        let clusters = [cluster(1)];
        let families = families(&clusters);
        assert!(samples(&families, "meshtcp_cluster_connects_pending").is_empty());
        assert!(matches!(samples(&families, "meshtcp_cluster_connections_limit"), [(_, Sample::Count(3))]));
    }
}
