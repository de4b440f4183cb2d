//! MeshLoadBalancingStrategy, as far as a TCP connection feels it.

use serde::Serialize;

use super::Percent;
use super::merge::{replaced, said};

/// By which rule an endpoint of a destination is chosen. What says nothing is the data plane's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum LoadBalancer {
    /// In turn, by weight.
    #[serde(rename = "round robin")]
    RoundRobin,
    /// The one with the fewest connections of a few that are drawn.
    #[serde(rename = "least connections")]
    LeastRequest {
        /// How many are drawn; default 2.
        choice_count: Option<u32>,
    },
    /// At random, by weight.
    #[serde(rename = "random")]
    Random,
    /// By the client's address, on a ring of hashes.
    #[serde(rename = "ring hash by client address")]
    RingHash {
        /// The least number of places on the ring; default 1024.
        #[serde(rename = "minRingSize")]
        min_size: Option<u32>,
        /// The greatest number of places on the ring; default 8388608.
        #[serde(rename = "maxRingSize")]
        max_size: Option<u32>,
        /// Whether places are hashed by MurmurHash2 instead of xxHash.
        #[serde(skip)]
        murmur: bool,
    },
    /// By the client's address, in a Maglev table.
    #[serde(rename = "maglev by client address")]
    Maglev {
        /// The number of places in the table, a prime; default 65537.
        table_size: Option<u32>,
    },
}

said! {
    /// What a MeshLoadBalancingStrategy says.
    LoadBalancingConf {
        /// By which rule an endpoint is chosen.
        balancer: LoadBalancerConf,
        /// Which endpoints are preferred for where they are.
        locality: LocalityConf,
    }
}

said! {
    /// By which rule an endpoint is chosen, and with which numbers; those of other rules wait for a policy that chooses
    /// theirs.
    LoadBalancerConf {
        /// The rule.
        rule: BalancingRule,
        /// Of `LeastRequest`: how many are drawn.
        choice_count: u32,
        /// Of `RingHash`: the least number of places on the ring.
        min_ring_size: u32,
        /// Of `RingHash`: the greatest number of places on the ring.
        max_ring_size: u32,
        /// Of `RingHash`: whether places are hashed by MurmurHash2.
        murmur: bool,
        /// Of `Maglev`: the number of places in the table.
        table_size: u32,
    }
}

/// A rule by which an endpoint is chosen.
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
    /// Which endpoints are preferred for where they are.
    LocalityConf {
        /// Whether endpoints are equal wherever they are.
        disabled: bool,
        /// What counts within the own zone.
        local: LocalZoneConf,
        /// What counts across zones.
        cross: CrossZoneConf,
    }
}

said! {
    /// What counts within the own zone.
    LocalZoneConf {
        /// Tags that endpoints may share with the client, most important first.
        affinity: Vec<AffinityTag>,
    }
}

said! {
    /// What counts across zones.
    CrossZoneConf {
        /// Where connections go when the own zone has too few endpoints, in order.
        failover: Vec<Failover>,
        /// Below which share of healthy endpoints a priority gets help.
        threshold: Percent,
    }
}

replaced!(BalancingRule);

impl LoadBalancingConf {
    /// The load balancer; absent: nobody chose a rule.
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

    /// The locality awareness; absent: as the Mesh says.
    ///
    /// What is said within or across zones makes `disabled` meaningless; with one of them, zones that no rule allows get
    /// no connection.
    pub fn locality(&self) -> Option<Locality> {
        let LocalityConf { disabled, local, cross } = self.locality.as_ref()?;
        if local.is_none() && cross.is_none() {
            return Some(if *disabled == Some(true) { Locality::Ignored } else { Locality::OwnZoneFirst });
        }
        Some(Locality::Rules {
            affinity: local.as_ref().and_then(|local| local.affinity.clone()).unwrap_or_default(),
            failover: cross.as_ref().and_then(|cross| cross.failover.clone()).unwrap_or_default(),
            threshold: cross.as_ref().map(|cross| cross.threshold.unwrap_or(DEFAULT_THRESHOLD)),
        })
    }
}

/// Which endpoints are preferred for where they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Locality {
    /// Wherever they are, endpoints are equal.
    Ignored,
    /// Those of the own zone first, then those of all others.
    OwnZoneFirst,
    /// By these rules.
    Rules {
        /// Which endpoints of the own zone are preferred, by tags that they share with the client; most important first.
        affinity: Vec<AffinityTag>,
        /// Where connections go when the own zone has too few endpoints, in order. None: nowhere.
        failover: Vec<Failover>,
        /// How many endpoints of a priority may fail before the next one helps: it does when fewer than this share are
        /// healthy.
        threshold: Option<Percent>,
    },
}

/// A tag whose value an endpoint may share with the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityTag {
    /// Its key.
    pub key: String,
    /// The share of connections that such endpoints get together, over the sum of all; absent: most of it.
    pub weight: Option<u32>,
}

/// One rule of failing over to other zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failover {
    /// For clients in these zones; absent: in all.
    pub from: Option<Vec<String>>,
    /// Where to.
    pub to: FailoverTo,
}

/// Which zones a failover rule allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailoverTo {
    /// All.
    Any,
    /// None: the rules end here.
    None,
    /// These.
    Only(Vec<String>),
    /// All but these.
    AnyExcept(Vec<String>),
}

impl FailoverTo {
    /// Whether it allows a zone.
    pub fn allows(&self, zone: &str) -> bool {
        match self {
            FailoverTo::Any => true,
            FailoverTo::None => false,
            FailoverTo::Only(zones) => zones.iter().any(|allowed| allowed == zone),
            FailoverTo::AnyExcept(zones) => zones.iter().all(|refused| refused != zone),
        }
    }
}

/// The threshold of a conf with `crossZone` that says none.
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
        assert_eq!(read(None), None);
        assert_eq!(read(Some(LocalityConf::default())), Some(Locality::OwnZoneFirst));
        assert_eq!(read(Some(disabled.clone())), Some(Locality::Ignored));
        let rule = Failover { from: Some(vec!["a".into()]), to: FailoverTo::Only(vec!["b".into()]) };
        let cross = CrossZoneConf { failover: Some(vec![rule.clone()]), threshold: None };
        let rules =
            Locality::Rules { affinity: vec![], failover: vec![rule], threshold: Some(Percent::whole(50)) };
        assert_eq!(read(Some(LocalityConf { cross: Some(cross), ..disabled })), Some(rules));
    }
}
