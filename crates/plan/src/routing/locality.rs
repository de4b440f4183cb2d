//! Locality: preference of endpoints by place, expressed as priorities and weights of the endpoints themselves.
//!
//! ```text
//!  priority 0   the own zone: endpoints that share a tag with the client get its share, the rest 1
//!  priority N   other zones that the Nth failover rule is the first to allow; a rule for other clients counts too
//!  left out     zones that no rule allows
//! ```

use std::collections::BTreeMap;

use model::policy::{AffinityTag, Failover, FailoverTo, Locality};

use super::facts::Facts;
use crate::plan::{Cluster, ClusterKind, ClusterSettings, Endpoint, EndpointGroup};
use crate::view::View;

/// Limit on the sum of weights of one priority, which every data plane can represent.
const MOST: u128 = 1_000_000_000;

/// Arranges the endpoints of a cluster by its locality settings; leaves it unchanged if it has none, or is dialled
/// outside the mesh.
pub(super) fn arranged(view: &View<'_>, facts: &Facts<'_>, mut cluster: Cluster) -> Cluster {
    let ClusterSettings { locality, .. } = &cluster.settings;
    let Some(locality) = locality.as_ref().map(|said| &said.value) else { return cluster };
    match &cluster.kind {
        ClusterKind::Mesh | ClusterKind::Gateway | ClusterKind::Egress { .. } => {}
        ClusterKind::Application | ClusterKind::Zone { .. } | ClusterKind::External { .. } => return cluster,
    }
    let client = |key: &str| own_value(view, key);
    let endpoints = std::mem::take(&mut cluster.endpoints);
    cluster.endpoints = arrange(endpoints, locality, facts.zone.as_deref(), client);
    cluster
}

/// Arranges the endpoints of a cluster of an egress in a zone, whose clients' tags are unknown to it.
pub(super) fn arranged_at_egress(
    endpoints: Vec<Endpoint>,
    locality: &Locality,
    zone: Option<&str>,
) -> Vec<Endpoint> {
    arrange(endpoints, locality, zone, |_| None)
}

/// Value of a tag of the client: of an inbound, of the gateway, or of the labels of its Dataplane.
fn own_value<'v>(view: &View<'v>, key: &str) -> Option<&'v str> {
    let dataplane = view.dataplane();
    let inbounds = dataplane.inbound.iter().find_map(|inbound| inbound.tags.get(key));
    let gateway = || dataplane.gateway.as_ref().and_then(|gateway| gateway.tags.get(key));
    inbounds.or_else(gateway).or_else(|| view.resource().meta().labels.get(key))
}

/// Returns endpoints with the priorities and weights that a locality rule gives them, sorted; `own`: the client's
/// zone.
fn arrange<'v>(
    mut endpoints: Vec<Endpoint>,
    locality: &Locality,
    own: Option<&str>,
    client: impl Fn(&str) -> Option<&'v str>,
) -> Vec<Endpoint> {
    let is_remote = |endpoint: &Endpoint| {
        endpoint.zone.as_deref().is_some_and(|zone| !zone.is_empty() && own != Some(zone))
    };
    match locality {
        Locality::Ignored => endpoints.iter_mut().for_each(|endpoint| endpoint.priority = 0),
        Locality::OwnZoneFirst => endpoints.iter_mut().for_each(|endpoint| {
            endpoint.priority = u32::from(is_remote(endpoint));
        }),
        Locality::Rules { affinity, failover, threshold: _ } => {
            let rules = rules_for(failover, own);
            endpoints.retain_mut(|endpoint| {
                let remote = is_remote(endpoint).then_some(endpoint.zone.as_deref()).flatten();
                let priority = match remote {
                    None => Some(0),
                    Some(zone) => rules.iter().find(|(_, to)| to.allows(zone)).map(|(priority, _)| *priority),
                };
                endpoint.priority = priority.unwrap_or_default();
                priority.is_some()
            });
            share_out(&mut endpoints, affinity, client);
            // only what endpoints are told apart by is told
            let tells = |key: &str| affinity.iter().any(|tag| tag.key == key);
            for endpoint in &mut endpoints {
                endpoint.labels = endpoint.labels.iter().filter(|(key, _)| tells(key)).collect();
            }
        }
    }
    endpoints.sort_by(Endpoint::by_place);
    endpoints
}

/// Returns the failover rules for clients of a zone, each with its priority, which is its place among all rules.
fn rules_for<'r>(failover: &'r [Failover], own: Option<&str>) -> Vec<(u32, &'r FailoverTo)> {
    let is_for = |from: &Option<Vec<String>>| {
        from.as_ref().is_none_or(|zones| own.is_some_and(|own| zones.iter().any(|zone| zone == own)))
    };
    let rules = (1..).zip(failover).filter(|(_, rule)| is_for(&rule.from)).map(|(at, rule)| (at, &rule.to));
    rules.collect()
}

/// Sets the weights of the endpoints of the own zone: each group of endpoints that share a tag with the client has
/// its share, whatever their number.
fn share_out<'v>(
    endpoints: &mut [Endpoint],
    affinity: &[AffinityTag],
    client: impl Fn(&str) -> Option<&'v str>,
) {
    let groups = groups(affinity, client);
    let group_of = |endpoint: &Endpoint| {
        let has = |group: &Group<'_>| {
            endpoint.tags.get(group.key).or_else(|| endpoint.labels.get(group.key)) == Some(group.value)
        };
        groups.iter().position(has).unwrap_or(groups.len())
    };
    let mut sums: BTreeMap<usize, u128> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.priority == 0) {
        *sums.entry(group_of(endpoint)).or_default() += u128::from(endpoint.weight.max(1));
    }
    // the last group has the endpoints that share no tag
    let share = |group: usize| groups.get(group).map_or(1, |group| u128::from(group.share));
    // With this factor every weight is a whole number, unless that would become too large.
    let factor = sums.values().try_fold(1, |all, sum| lcm(all, *sum)).unwrap_or(MOST);
    let wanted = |endpoint: &Endpoint| {
        let group = group_of(endpoint);
        let sum = sums.get(&group).copied().unwrap_or(1);
        share(group).saturating_mul(u128::from(endpoint.weight.max(1))).saturating_mul(factor) / sum
    };
    let local = || endpoints.iter().filter(|endpoint| endpoint.priority == 0);
    let total: u128 = local().map(wanted).fold(0, u128::saturating_add);
    let common = local().map(wanted).fold(0, gcd).max(1);
    let divisor = if total / common > MOST { total.div_ceil(MOST) } else { common };
    let weighed = |endpoint: &Endpoint| {
        let group = groups.get(group_of(endpoint));
        let group = EndpointGroup {
            name: group.map_or_else(String::new, |Group { key, value, .. }| format!("{key}={value}")),
            share: group.map_or(1, |group| group.share),
            weight: endpoint.weight,
        };
        (u32::try_from(wanted(endpoint) / divisor).unwrap_or(u32::MAX).max(1), group)
    };
    let weights: Vec<Option<(u32, EndpointGroup)>> =
        endpoints.iter().map(|endpoint| (endpoint.priority == 0).then(|| weighed(endpoint))).collect();
    for (endpoint, weighed) in endpoints.iter_mut().zip(weights) {
        let Some((weight, group)) = weighed else { continue };
        // without groups the weights are as they were
        if !groups.is_empty() {
            endpoint.weight = weight;
        }
        endpoint.group = Some(group);
    }
}

/// Endpoints that share a tag with the client.
struct Group<'a> {
    key: &'a str,
    value: &'a str,
    /// Share of its connections, where endpoints that share no tag have 1.
    share: u32,
}

/// Returns the groups by the tags that the client has. Without weights the first tag that is written gets nine
/// tenths, the next nine tenths of the rest, and so on.
fn groups<'a, 'v: 'a>(
    affinity: &'a [AffinityTag],
    client: impl Fn(&str) -> Option<&'v str>,
) -> Vec<Group<'a>> {
    let group = |(at, tag): (usize, &'a AffinityTag)| {
        let behind = u32::try_from(affinity.len() - at - 1).unwrap_or(u32::MAX).min(8);
        let share = tag.weight.unwrap_or(9 * 10_u32.pow(behind)).max(1);
        Some(Group { key: &tag.key, value: client(&tag.key)?, share })
    };
    affinity.iter().enumerate().filter_map(group).collect()
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u128, b: u128) -> Option<u128> {
    (a / gcd(a, b).max(1)).checked_mul(b).filter(|lcm| *lcm <= MOST)
}

#[cfg(test)]
mod tests {
    use model::policy::Percent;
    use model::{Labels, Tags};
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Hop;

    fn endpoint(port: u32, zone: &str, node: &str) -> Endpoint {
        Endpoint {
            priority: 0,
            zone: (!zone.is_empty()).then(|| zone.to_owned()),
            address: "10.0.0.1".into(),
            port,
            weight: 1,
            group: None,
            tags: Tags::from_iter([("node", node), ("rack", "r")]),
            labels: Labels::default(),
            offered_by: String::new(),
            via: Hop::Direct,
        }
    }

    fn arranged(endpoints: Vec<Endpoint>, locality: &Locality) -> Vec<(u32, u32, u32)> {
        let client = |key: &str| match key {
            "node" => Some("n"),
            "rack" => Some("r"),
            _ => None,
        };
        let endpoints = arrange(endpoints, locality, Some("own"), client);
        endpoints.iter().map(|e| (e.priority, e.port, e.weight)).collect()
    }

    fn affinity(tags: &[(&str, Option<u32>)]) -> Locality {
        let tag =
            |(key, weight): &(&str, Option<u32>)| AffinityTag { key: (*key).to_owned(), weight: *weight };
        let affinity = tags.iter().map(tag).collect();
        Locality::Rules { affinity, failover: Vec::new(), threshold: Percent::whole(50) }
    }

    #[test]
    fn groups_have_their_share_whatever_their_number() {
        let endpoints = vec![endpoint(1, "own", "n"), endpoint(2, "own", "m"), endpoint(3, "own", "m")];
        let wanted = [(0, 1, 18), (0, 2, 1), (0, 3, 1)];
        assert_eq!(arranged(endpoints.clone(), &affinity(&[("node", None)])), wanted);
        // A tag that the client lacks has its place, and no endpoint.
        let three = affinity(&[("node", None), ("planet", None), ("rack", None)]);
        assert_eq!(arranged(endpoints, &three), [(0, 1, 200), (0, 2, 1), (0, 3, 1)]);
    }

    #[test]
    fn weights_that_are_given_count() {
        let endpoints = vec![endpoint(1, "", "n"), endpoint(2, "own", "m")];
        assert_eq!(arranged(endpoints, &affinity(&[("node", Some(4))])), [(0, 1, 4), (0, 2, 1)]);
    }

    #[test]
    fn zones_follow_the_rules_that_allow_them() {
        let rule = |from: Option<&str>, to| Failover { from: from.map(|zone| vec![zone.to_owned()]), to };
        let rules = Locality::Rules {
            affinity: Vec::new(),
            failover: vec![
                rule(Some("elsewhere"), FailoverTo::Any),
                rule(Some("own"), FailoverTo::Only(vec!["a".into()])),
                rule(None, FailoverTo::AnyExcept(vec!["c".into()])),
                rule(None, FailoverTo::None),
                rule(None, FailoverTo::Any),
            ],
            threshold: Percent::whole(50),
        };
        let zones = ["own", "a", "b", "c"];
        let endpoints: Vec<Endpoint> =
            (1..).zip(zones).map(|(port, zone)| endpoint(port, zone, "n")).collect();
        assert_eq!(arranged(endpoints.clone(), &rules), [(0, 1, 1), (2, 2, 1), (3, 3, 1), (5, 4, 1)]);
        let Locality::Rules { affinity, mut failover, threshold } = rules else { unreachable!() };
        failover.pop();
        let but_c = Locality::Rules { affinity, failover, threshold };
        assert_eq!(arranged(endpoints[1..].to_vec(), &but_c), [(2, 2, 1), (3, 3, 1)]);
        assert_eq!(
            arranged(endpoints.clone(), &Locality::Ignored),
            [(0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 1, 1)]
        );
        assert_eq!(
            arranged(endpoints, &Locality::OwnZoneFirst),
            [(0, 1, 1), (1, 2, 1), (1, 3, 1), (1, 4, 1)]
        );
    }

    proptest! {
        /// For any rule, no endpoint of the own zone is lost, weights are not zero, and each group gets its share as nearly as whole numbers allow.
        #[test]
        fn shares_are_kept(
            nodes in prop::collection::vec((prop::bool::ANY, 1u32..200_000), 1..40),
            weight in prop::option::of(1u32..=u32::MAX),
        ) {
            let endpoints: Vec<Endpoint> = (1..).zip(&nodes).map(|(port, (near, weight))| {
                Endpoint { weight: *weight, ..endpoint(port, "own", if *near { "n" } else { "m" }) }
            }).collect();
            let near = |port: u32| nodes[port as usize - 1].0;
            let arranged = arranged(endpoints, &affinity(&[("node", weight)]));
            prop_assert_eq!(arranged.len(), nodes.len());
            let sum = |wanted: bool| -> f64 {
                arranged.iter().filter(|(_, port, _)| near(*port) == wanted).map(|(_, _, w)| f64::from(*w)).sum()
            };
            prop_assert!(arranged.iter().all(|(priority, _, weight)| *priority == 0 && *weight > 0));
            prop_assert!(sum(true) + sum(false) <= MOST as f64 + 40.0);
            let weight = f64::from(weight.unwrap_or(9));
            if sum(true) > 0.0 && sum(false) > 0.0 && weight < 1e6 {
                let share = sum(true) / (sum(true) + sum(false));
                prop_assert!((share - weight / (weight + 1.0)).abs() < 1e-3, "{} {}", share, weight);
            }
        }
    }
}
