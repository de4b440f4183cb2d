//! MeshLoadBalancingStrategy, as far as it affects TCP connections.

use serde::Serialize;

use super::Percent;
use super::merge::{replaced, said};

/// Load balancing policy of a destination. Absent values are the data plane's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum LoadBalancer {
    /// Round-robin, by weight.
    #[serde(rename = "round robin")]
    RoundRobin,
    /// Least connections of a few endpoints that are drawn.
    #[serde(rename = "least connections")]
    LeastRequest {
        /// Number of endpoints that are drawn; default 2.
        choice_count: Option<u32>,
    },
    /// Random, by weight.
    #[serde(rename = "random")]
    Random,
    /// Hash of the client's address on a ring.
    #[serde(rename = "ring hash by client address")]
    RingHash {
        /// Minimum number of places on the ring; default 1024.
        #[serde(rename = "minRingSize")]
        min_size: Option<u32>,
        /// Maximum number of places on the ring; default 8388608.
        #[serde(rename = "maxRingSize")]
        max_size: Option<u32>,
        /// `true`: places are hashed by MurmurHash2 instead of xxHash.
        #[serde(skip)]
        murmur: bool,
    },
    /// Hash of the client's address in a Maglev table.
    #[serde(rename = "maglev by client address")]
    Maglev {
        /// Size of the table, a prime; default 65537.
        table_size: Option<u32>,
    },
}

said! {
    /// Conf of a MeshLoadBalancingStrategy.
    LoadBalancingConf {
        /// Load balancing policy.
        balancer: LoadBalancerConf,
        /// Locality rules.
        locality: LocalityConf,
    }
}

said! {
    /// Load balancing policy, with its parameters; those of other policies are kept for a more important conf that
    /// chooses their policy.
    LoadBalancerConf {
        /// Policy that is chosen.
        rule: BalancingRule,
        /// Of `LeastRequest`: number of endpoints that are drawn.
        choice_count: u32,
        /// Of `RingHash`: minimum number of places on the ring.
        min_ring_size: u32,
        /// Of `RingHash`: maximum number of places on the ring.
        max_ring_size: u32,
        /// Of `RingHash`; `true`: places are hashed by MurmurHash2.
        murmur: bool,
        /// Of `Maglev`: size of the table.
        table_size: u32,
    }
}

/// Load balancing policy by which an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // explained where they have their numbers
pub enum BalancingRule {
    RoundRobin,
    LeastRequest,
    Random,
    RingHash,
    Maglev,
}

said! {
    /// Locality rules: preference of endpoints by zone and tags.
    LocalityConf {
        /// `true`: endpoints are equal in all zones.
        disabled: bool,
        /// Rules within the own zone.
        local: LocalZoneConf,
        /// Rules across zones.
        cross: CrossZoneConf,
    }
}

said! {
    /// Locality rules within the own zone.
    LocalZoneConf {
        /// Tags that endpoints may share with the client, most important first.
        affinity: Vec<AffinityTag>,
    }
}

said! {
    /// Locality rules across zones.
    CrossZoneConf {
        /// Failover rules for when the own zone has too few endpoints, in order.
        failover: Vec<Failover>,
        /// Share of healthy endpoints, in percent, below which a priority fails over to the next one.
        threshold: Percent,
    }
}

replaced!(BalancingRule);

impl LoadBalancingConf {
    /// Load balancer; absent: no policy is chosen.
    pub fn load_balancer(&self) -> Option<LoadBalancer> {
        let LoadBalancerConf { rule, choice_count, min_ring_size, max_ring_size, murmur, table_size } =
            *self.balancer.as_ref()?;
        Some(match rule? {
            BalancingRule::RoundRobin => LoadBalancer::RoundRobin,
            BalancingRule::LeastRequest => LoadBalancer::LeastRequest { choice_count },
            BalancingRule::Random => LoadBalancer::Random,
            BalancingRule::RingHash => LoadBalancer::RingHash {
                min_size: min_ring_size,
                max_size: max_ring_size,
                murmur: murmur.unwrap_or_default(),
            },
            BalancingRule::Maglev => LoadBalancer::Maglev { table_size },
        })
    }

    /// Locality rules. A policy that says nothing about them prefers the own zone, whatever the Mesh says.
    ///
    /// Rules within or across zones override `disabled`; with one of them, zones that no rule allows get no
    /// connection.
    pub fn locality(&self) -> Locality {
        let unsaid = LocalityConf::default();
        let LocalityConf { disabled, local, cross } = self.locality.as_ref().unwrap_or(&unsaid);
        if local.is_none() && cross.is_none() {
            return if *disabled == Some(true) { Locality::Ignored } else { Locality::OwnZoneFirst };
        }
        Locality::Rules {
            affinity: local.as_ref().and_then(|local| local.affinity.clone()).unwrap_or_default(),
            failover: cross.as_ref().and_then(|cross| cross.failover.clone()).unwrap_or_default(),
            threshold: cross.as_ref().and_then(|cross| cross.threshold).unwrap_or(DEFAULT_THRESHOLD),
        }
    }
}

/// Preference of endpoints by locality.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Locality {
    /// All endpoints are equal.
    Ignored,
    /// The endpoints of the own zone first, then those of all others.
    OwnZoneFirst,
    /// By these rules.
    Rules {
        /// Tags by which endpoints of the own zone are preferred, if they share them with the client; most
        /// important first.
        affinity: Vec<AffinityTag>,
        /// Failover rules for when the own zone has too few endpoints, in order. Empty: no failover.
        failover: Vec<Failover>,
        /// Share of healthy endpoints, in percent, below which a priority fails over to the next one; default 50.
        threshold: Percent,
    },
}

/// Tag whose value an endpoint may share with the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityTag {
    /// Key of the tag.
    pub key: String,
    /// Weight of such endpoints together, relative to the sum of all weights; absent: most of it.
    pub weight: Option<u32>,
}

/// Rule of failover to other zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failover {
    /// Zones of the clients that it is for; absent: all.
    pub from: Option<Vec<String>>,
    /// Zones that it allows.
    pub to: FailoverTo,
}

/// Zones that a failover rule allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailoverTo {
    /// All zones.
    Any,
    /// No zones: the rule allows nothing, and the next ones count.
    None,
    /// These zones.
    Only(Vec<String>),
    /// All zones but these.
    AnyExcept(Vec<String>),
}

impl FailoverTo {
    /// Returns `true` if it allows a zone.
    pub fn allows(&self, zone: &str) -> bool {
        match self {
            FailoverTo::Any => true,
            FailoverTo::None => false,
            FailoverTo::Only(zones) => zones.iter().any(|allowed| allowed == zone),
            FailoverTo::AnyExcept(zones) => zones.iter().all(|refused| refused != zone),
        }
    }
}

/// Default threshold of a conf with `crossZone`.
const DEFAULT_THRESHOLD: Percent = Percent::whole(50);

#[cfg(test)]
mod tests {
    use super::super::Merge;
    use super::*;

    fn balancer(balancer: LoadBalancerConf) -> LoadBalancingConf {
        LoadBalancingConf { balancer: Some(balancer), locality: None }
    }

    #[test]
    fn the_rule_says_which_numbers_count() {
        let numbers =
            LoadBalancerConf { min_ring_size: Some(8), table_size: Some(7), ..LoadBalancerConf::default() };
        let with = |rule| balancer(LoadBalancerConf { rule, ..numbers.clone() }).load_balancer();
        let ring = LoadBalancer::RingHash { min_size: Some(8), max_size: None, murmur: false };
        assert_eq!(with(Some(BalancingRule::RingHash)), Some(ring));
        assert_eq!(with(Some(BalancingRule::Maglev)), Some(LoadBalancer::Maglev { table_size: Some(7) }));
        assert_eq!(with(None), None);
    }

    #[test]
    fn numbers_wait_for_a_rule_of_somebody_else() {
        let mut said = balancer(LoadBalancerConf { choice_count: Some(3), ..LoadBalancerConf::default() });
        let rule = Some(BalancingRule::LeastRequest);
        said.merge(&balancer(LoadBalancerConf { rule, ..LoadBalancerConf::default() }));
        assert_eq!(said.load_balancer(), Some(LoadBalancer::LeastRequest { choice_count: Some(3) }));
    }

    #[test]
    fn more_specific_rules_make_disabled_meaningless() {
        let read = |locality| LoadBalancingConf { balancer: None, locality }.locality();
        let disabled = LocalityConf { disabled: Some(true), ..LocalityConf::default() };
        assert_eq!(read(None), Locality::OwnZoneFirst);
        assert_eq!(read(Some(LocalityConf::default())), Locality::OwnZoneFirst);
        assert_eq!(read(Some(disabled.clone())), Locality::Ignored);
        let rule = Failover { from: Some(vec!["a".into()]), to: FailoverTo::Only(vec!["b".into()]) };
        let cross = CrossZoneConf { failover: Some(vec![rule.clone()]), threshold: None };
        let rules = Locality::Rules { affinity: vec![], failover: vec![rule], threshold: Percent::whole(50) };
        assert_eq!(read(Some(LocalityConf { cross: Some(cross), ..disabled })), rules);
        let near = LocalityConf { local: Some(LocalZoneConf::default()), ..LocalityConf::default() };
        let rules = Locality::Rules { affinity: vec![], failover: vec![], threshold: Percent::whole(50) };
        assert_eq!(read(Some(near)), rules);
    }
}
