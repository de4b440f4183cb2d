//! Reader of MeshLoadBalancingStrategy.

use super::{part, percent};
use crate::draft::fields::Fields;
use crate::policy::{
    AffinityTag, BalancingRule, CrossZoneConf, Failover, FailoverTo, LoadBalancerConf, LoadBalancingConf,
    LocalZoneConf, LocalityConf,
};

/// Limit on the ring size, of Envoy and ours.
const LARGEST_RING: u64 = 8_000_000;
const LARGEST_TABLE: u64 = 5_000_011;

pub(super) fn read(mut conf: Fields<'_>) -> LoadBalancingConf {
    let said = LoadBalancingConf {
        locality: part(&mut conf, "localityAwareness", locality),
        balancer: part(&mut conf, "loadBalancer", load_balancer),
    };
    conf.items("hashPolicies").into_iter().for_each(hash_policy);
    said
}

fn load_balancer(mut conf: Fields<'_>) -> LoadBalancerConf {
    let rules = [
        ("RoundRobin", BalancingRule::RoundRobin),
        ("LeastRequest", BalancingRule::LeastRequest),
        ("RingHash", BalancingRule::RingHash),
        ("Random", BalancingRule::Random),
        ("Maglev", BalancingRule::Maglev),
    ];
    let rule = conf.choice("type", &rules);
    if !conf.has("type") {
        conf.error("type", "a load balancer needs a type", Some("add `type: RoundRobin`".into()));
    }
    conf.object("roundRobin");
    conf.object("random");
    let mut least = conf.object("leastRequest");
    // Weight of requests in flight: connections have none.
    least.known(&["activeRequestBias"]);
    let choice_count = least.number::<u32>("choiceCount");
    if choice_count.is_some_and(|count| count < 2) {
        let help = "write 2 or more, or leave it out for 2; `type: Random` draws one";
        least.error("choiceCount", "of one there is none to choose", Some(help.into()));
    }
    let said = ring(conf.object("ringHash"));
    let mut maglev = conf.object("maglev");
    maglev.items("hashPolicies").into_iter().for_each(hash_policy);
    let size = maglev.number::<u64>("tableSize");
    if let Some(size) = size
        && !(size <= LARGEST_TABLE && is_prime(size))
    {
        let help = "write a prime such as 65537, or leave it out for that";
        let message = format!("{size} is no prime up to {LARGEST_TABLE}");
        maglev.error("tableSize", message, Some(help.into()));
    }
    LoadBalancerConf { rule, choice_count, table_size: size.and_then(small), ..said }
}

/// Reads the settings of a ring.
fn ring(mut ring: Fields<'_>) -> LoadBalancerConf {
    ring.items("hashPolicies").into_iter().for_each(hash_policy);
    let murmur = ring.choice("hashFunction", &[("XXHash", false), ("MurmurHash2", true)]);
    let least = ring.number::<u64>("minRingSize");
    let most = ring.number::<u64>("maxRingSize");
    for (name, size) in [("minRingSize", least), ("maxRingSize", most)] {
        if let Some(size) = size.filter(|size| !(1..=LARGEST_RING).contains(size)) {
            ring.error(name, format!("{size} is not in 1 to {LARGEST_RING}"), None);
        }
    }
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        ring.error("minRingSize", format!("{least} is above maxRingSize, {most}"), None);
    }
    LoadBalancerConf {
        min_ring_size: least.and_then(small),
        max_ring_size: most.and_then(small),
        murmur,
        ..LoadBalancerConf::default()
    }
}

fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn hash_policy(mut policy: Fields<'_>) {
    let types = ["Header", "Cookie", "Connection", "SourceIP", "QueryParameter", "FilterState"];
    policy.choice("type", &types.map(|word| (word, ())));
    policy.flag("terminal");
    policy.object("header").known(&["name"]);
    policy.object("cookie").known(&["name", "ttl", "path"]);
    policy.object("connection").flag("sourceIP");
    policy.object("queryParameter").known(&["name"]);
    policy.object("filterState").known(&["key"]);
}

fn locality(mut conf: Fields<'_>) -> LocalityConf {
    LocalityConf {
        disabled: conf.flag("disabled"),
        local: part(&mut conf, "localZone", local_zone),
        cross: part(&mut conf, "crossZone", cross_zone),
    }
}

fn local_zone(mut local: Fields<'_>) -> LocalZoneConf {
    let is_said = local.has("affinityTags");
    let mut affinity = Vec::new();
    let mut weights = Vec::new();
    for mut tag in local.items("affinityTags") {
        let key = tag.text("key");
        if key.is_none() {
            tag.error(
                "key",
                "which tag?",
                Some("add the key of a tag, such as `topology.kubernetes.io/zone`".into()),
            );
        }
        let weight = tag.number::<u32>("weight");
        if weight == Some(0) {
            tag.error("weight", "0 is no share", Some("leave the tag out, or write 1 or more".into()));
        }
        weights.push(weight.is_some());
        affinity.extend(key.map(|key| AffinityTag { key, weight }));
    }
    if weights.contains(&true) && weights.contains(&false) {
        let help = "give each a weight, or none";
        local.error("affinityTags", "some have a weight and some have none", Some(help.into()));
    }
    LocalZoneConf { affinity: is_said.then_some(affinity) }
}

fn cross_zone(mut cross: Fields<'_>) -> CrossZoneConf {
    let is_said = cross.has("failover");
    let rules: Vec<_> = cross.items("failover").into_iter().filter_map(failover).collect();
    let mut threshold = cross.object("failoverThreshold");
    CrossZoneConf { failover: is_said.then_some(rules), threshold: percent(&mut threshold, "percentage") }
}

fn failover(mut rule: Fields<'_>) -> Option<Failover> {
    let mut from = rule.object("from");
    let from = from.has("zones").then(|| from.texts("zones"));
    let mut to = rule.object("to");
    let types = ["Any", "None", "Only", "AnyExcept"].map(|word| (word, word));
    let sort = to.choice("type", &types);
    let zones = to.texts("zones");
    match sort {
        None if !to.has("type") => {
            to.error("type", "where to?", Some("add `type: Any`, Only, AnyExcept or None".into()));
        }
        Some("Only" | "AnyExcept") if zones.is_empty() => to.error("zones", "this type needs zones", None),
        Some("Any" | "None") if !zones.is_empty() => to.error("zones", "this type has no zones", None),
        None | Some(_) => {}
    }
    let to = match sort? {
        "Any" => FailoverTo::Any,
        "None" => FailoverTo::None,
        "Only" => FailoverTo::Only(zones),
        _ => FailoverTo::AnyExcept(zones),
    };
    Some(Failover { from, to })
}

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}
