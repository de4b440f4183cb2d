//! Common settings of backends in one cluster: what they must agree about, and the load balancing among all of
//! them.

use model::policy::LoadBalancer;
use plan::{Cluster, ClusterSettings, Sourced, SplitSettings, Sticky};
use serde_json::{Map, Value, json};

use super::super::cluster::settings::slow_start;
use super::super::words::{said, url};

/// Returns the settings of the cluster that stands for these sides, or the reason why no cluster can. `sides`
/// counts those that are refused.
///
/// Limits are added up: Envoy counts the connections of a cluster, not of a backend.
pub(super) fn settings(
    clusters: &[&Cluster],
    sides: usize,
    declared: &SplitSettings,
) -> Result<ClusterSettings, String> {
    let sticks = declared.sticky.as_ref().is_some_and(|sticky| sticky.value == Sticky::SourceIp);
    let all: Vec<&ClusterSettings> = clusters.iter().map(|cluster| &cluster.settings).collect();
    let Some(first) = all.first() else { return Ok(ClusterSettings::default()) };
    let mut settings = ClusterSettings {
        // Set by the socket of each backend, and by the priorities and weights of its endpoints.
        proxy_protocol: None,
        locality: None,
        ..(*first).clone()
    };
    if sides > 1 {
        let sockets = first.sockets();
        for other in &all {
            if let Some(((label, _), _)) =
                sockets.iter().zip(other.sockets()).find(|(one, other)| *one != other)
            {
                return Err(format!("its backends differ in {label}"));
            }
        }
        agree(&all, "load balancers", |s| s.load_balancer.as_ref().map(|said| said.value))?;
        agree(&all, "slow starts", |s| s.slow_start.as_ref().map(|said| said.value))?;
        if all.iter().any(|s| s.health_check.is_some() || s.outlier_detection.is_some()) {
            return Err("an unhealthy backend would lose its share to the others".into());
        }
        if first.hashes_clients() && !sticks {
            return Err("a client would be bound to one backend, as its address chooses the endpoint".into());
        }
        settings.max_connections = sum(&all, "connections", |s| &s.max_connections)?;
        settings.max_pending_connections = sum(&all, "connects", |s| &s.max_pending_connections)?;
        (settings.panic_threshold, settings.refuses_in_panic) = (None, None);
    }
    if settings.refuses_in_panic.as_ref().is_some_and(|refuses| refuses.value) {
        return Err(
            "connections are refused in panic, which Envoy does not combine with weights of localities"
                .into(),
        );
    }
    if sides > 1 && sticks {
        match settings.load_balancer.take() {
            None if settings.slow_start.as_ref().is_none_or(|grows| grows.value.is_zero()) => {
                let origin = declared.sticky.as_ref().map(|sticky| sticky.origin.clone());
                settings.load_balancer =
                    origin.map(|origin| Sourced { value: LoadBalancer::Maglev { table_size: None }, origin });
            }
            balancer if balancer.as_ref().is_some_and(|b| is_hash(b.value)) => {
                settings.load_balancer = balancer;
            }
            _ => return Err("its backends choose endpoints otherwise than by the client's address".into()),
        }
    }
    Ok(settings)
}

/// Returns the load balancing policy: localities share by their weights, whatever the policy within them.
pub(super) fn policy(settings: &ClusterSettings) -> Value {
    let weighted = json!({ "localityWeightedLbConfig": {} });
    let (name, message, config) = match settings.load_balancer.as_ref().map(|said| said.value) {
        None | Some(LoadBalancer::RoundRobin) => {
            let config = json!({ "localityLbConfig": weighted, "slowStartConfig": slow_start(settings) });
            ("round_robin", "round_robin.v3.RoundRobin", config)
        }
        Some(LoadBalancer::LeastRequest { choice_count }) => {
            let config = json!({
                "choiceCount": choice_count, "localityLbConfig": weighted, "slowStartConfig": slow_start(settings),
            });
            ("least_request", "least_request.v3.LeastRequest", config)
        }
        Some(LoadBalancer::Random) => ("random", "random.v3.Random", json!({ "localityLbConfig": weighted })),
        Some(LoadBalancer::RingHash { min_size, max_size, murmur }) => {
            let function = if murmur { "MURMUR_HASH_2" } else { "XX_HASH" };
            let config = json!({
                "hashFunction": function, "minimumRingSize": min_size, "maximumRingSize": max_size,
                "localityWeightedLbConfig": {},
            });
            ("ring_hash", "ring_hash.v3.RingHash", config)
        }
        Some(LoadBalancer::Maglev { table_size }) => {
            let config = json!({ "tableSize": table_size, "localityWeightedLbConfig": {} });
            ("maglev", "maglev.v3.Maglev", config)
        }
    };
    let mut typed = Map::new();
    typed.insert("@type".into(), url(&format!("extensions.load_balancing_policies.{message}")).into());
    typed.extend(said(config));
    json!({ "policies": [{ "typedExtensionConfig": {
        "name": format!("envoy.load_balancing_policies.{name}"), "typedConfig": typed,
    } }] })
}

fn is_hash(balancer: LoadBalancer) -> bool {
    matches!(balancer, LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. })
}

fn agree<T: PartialEq>(
    all: &[&ClusterSettings],
    what: &str,
    value: impl Fn(&ClusterSettings) -> T,
) -> Result<(), String> {
    let mut values = all.iter().map(|settings| value(settings));
    let first = values.next();
    if values.all(|value| Some(&value) == first.as_ref()) {
        Ok(())
    } else {
        Err(format!("its backends have different {what}"))
    }
}

fn sum(
    all: &[&ClusterSettings],
    what: &str,
    limit: impl Fn(&ClusterSettings) -> &Option<Sourced<u32>>,
) -> Result<Option<Sourced<u32>>, String> {
    let limits: Vec<&Sourced<u32>> = all.iter().filter_map(|settings| limit(settings).as_ref()).collect();
    match limits.first() {
        None => Ok(None),
        Some(_) if limits.len() < all.len() => {
            Err(format!("some of its backends have a limit of {what}, and some have none"))
        }
        Some(first) => {
            let value = limits.iter().fold(0_u32, |sum, limit| sum.saturating_add(limit.value));
            Ok(Some(Sourced { value, origin: first.origin.clone() }))
        }
    }
}
