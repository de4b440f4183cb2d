//! MeshLoadBalancingStrategy, as far as a TCP connection feels it.

use serde_json::Value;

use super::Percent;

/// By which rule an endpoint of a destination is chosen. What says nothing is the data plane's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadBalancer {
    /// In turn, by weight.
    RoundRobin,
    /// The one with the fewest connections of a few that are drawn.
    LeastRequest {
        /// How many are drawn; default 2.
        choice_count: Option<u32>,
    },
    /// At random, by weight.
    Random,
    /// By the client's address, on a ring of hashes.
    RingHash {
        /// The least number of places on the ring; default 1024.
        min_size: Option<u32>,
        /// The greatest number of places on the ring; default 8388608.
        max_size: Option<u32>,
        /// Whether places are hashed by MurmurHash2 instead of xxHash.
        murmur: bool,
    },
    /// By the client's address, in a Maglev table.
    Maglev {
        /// The number of places in the table, a prime; default 65537.
        table_size: Option<u32>,
    },
}

/// The load balancer of a merged conf: `loadBalancer`.
pub fn load_balancer(conf: &Value) -> Option<LoadBalancer> {
    let conf = conf.get("loadBalancer")?;
    let number = |pointer: &str| u32::try_from(conf.pointer(pointer)?.as_u64()?).ok();
    Some(match conf.get("type")?.as_str()? {
        "RoundRobin" => LoadBalancer::RoundRobin,
        "LeastRequest" => LoadBalancer::LeastRequest { choice_count: number("/leastRequest/choiceCount") },
        "Random" => LoadBalancer::Random,
        "RingHash" => LoadBalancer::RingHash {
            min_size: number("/ringHash/minRingSize"),
            max_size: number("/ringHash/maxRingSize"),
            murmur: conf.pointer("/ringHash/hashFunction").and_then(Value::as_str) == Some("MurmurHash2"),
        },
        "Maglev" => LoadBalancer::Maglev { table_size: number("/maglev/tableSize") },
        _ => return None,
    })
}

/// Which endpoints are preferred for where they are: `localityAwareness` of a merged conf.
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

/// The locality awareness of a merged conf; absent: as the Mesh says.
///
/// `localZone` or `crossZone` make `disabled` meaningless; with one of them, zones that no rule allows get no connection.
pub fn locality(conf: &Value) -> Option<Locality> {
    let conf = conf.get("localityAwareness").filter(|conf| conf.is_object())?;
    let (local, cross) = (conf.get("localZone"), conf.get("crossZone"));
    if local.is_none() && cross.is_none() {
        let disabled = conf.get("disabled").and_then(Value::as_bool).unwrap_or_default();
        return Some(if disabled { Locality::Ignored } else { Locality::OwnZoneFirst });
    }
    let threshold = cross.map(|cross| {
        cross.pointer("/failoverThreshold/percentage").and_then(Percent::of).unwrap_or(DEFAULT_THRESHOLD)
    });
    Some(Locality::Rules {
        affinity: list(local, "affinityTags").filter_map(affinity_tag).collect(),
        failover: list(cross, "failover").filter_map(failover).collect(),
        threshold,
    })
}

fn list<'v>(object: Option<&'v Value>, name: &str) -> impl Iterator<Item = &'v Value> {
    object.and_then(|object| object.get(name)).and_then(Value::as_array).into_iter().flatten()
}

fn affinity_tag(value: &Value) -> Option<AffinityTag> {
    let weight = value.get("weight").and_then(Value::as_u64).and_then(|weight| u32::try_from(weight).ok());
    Some(AffinityTag { key: value.get("key")?.as_str()?.to_owned(), weight })
}

fn failover(value: &Value) -> Option<Failover> {
    let zones = |side: &str| {
        let zones = value.get(side)?.get("zones")?.as_array()?.iter();
        Some(zones.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
    };
    let to = match value.pointer("/to/type")?.as_str()? {
        "Any" => FailoverTo::Any,
        "None" => FailoverTo::None,
        "Only" => FailoverTo::Only(zones("to").unwrap_or_default()),
        "AnyExcept" => FailoverTo::AnyExcept(zones("to").unwrap_or_default()),
        _ => return None,
    };
    Some(Failover { from: zones("from"), to })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_says_which_member_counts() {
        let read = |conf| load_balancer(&json!({ "loadBalancer": conf }));
        let ring =
            json!({ "type": "RingHash", "maglev": { "tableSize": 7 }, "ringHash": { "minRingSize": 8 } });
        let wanted = LoadBalancer::RingHash { min_size: Some(8), max_size: None, murmur: false };
        assert_eq!(read(ring), Some(wanted));
        assert_eq!(
            read(json!({ "type": "Maglev", "maglev": { "tableSize": 7 } })),
            Some(LoadBalancer::Maglev { table_size: Some(7) })
        );
        assert_eq!(read(json!({ "type": "Fair" })), None);
    }

    #[test]
    fn more_specific_rules_make_disabled_meaningless() {
        let read = |conf| locality(&json!({ "localityAwareness": conf }));
        assert_eq!(read(json!({ "disabled": true })), Some(Locality::Ignored));
        assert_eq!(read(json!({})), Some(Locality::OwnZoneFirst));
        let failover = json!([{ "from": { "zones": ["a"] }, "to": { "type": "Only", "zones": ["b"] } }]);
        let Some(Locality::Rules { affinity, failover, threshold }) =
            read(json!({ "disabled": true, "crossZone": { "failover": failover } }))
        else {
            panic!("rules are rules")
        };
        assert!(affinity.is_empty() && failover[0].to.allows("b") && !failover[0].to.allows("a"));
        assert_eq!(threshold, Some(Percent::whole(50)));
        assert_eq!(locality(&json!({})), None);
    }
}
