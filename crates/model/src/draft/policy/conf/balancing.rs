//! MeshLoadBalancingStrategy.

use super::percent;
use crate::draft::fields::Fields;

/// Envoy's and ours.
const LARGEST_RING: u64 = 8_000_000;
const LARGEST_TABLE: u64 = 5_000_011;

pub(super) fn check(mut conf: Fields<'_>) {
    locality(conf.object("localityAwareness"));
    load_balancer(conf.object("loadBalancer"));
    conf.items("hashPolicies").into_iter().for_each(hash_policy);
}

fn load_balancer(mut conf: Fields<'_>) {
    let types = ["RoundRobin", "LeastRequest", "RingHash", "Random", "Maglev"].map(|word| (word, ()));
    conf.choice("type", &types);
    if conf.is_present() && !conf.has("type") {
        conf.error("type", "a load balancer needs a type", Some("add `type: RoundRobin`".into()));
    }
    conf.object("roundRobin");
    conf.object("random");
    let mut least = conf.object("leastRequest");
    // How strongly requests in flight count: connections have none.
    least.known(&["activeRequestBias"]);
    if least.number::<u32>("choiceCount").is_some_and(|count| count < 2) {
        let help = "write 2 or more, or leave it out for 2; `type: Random` draws one";
        least.error("choiceCount", "of one there is none to choose", Some(help.into()));
    }
    ring(conf.object("ringHash"));
    let mut maglev = conf.object("maglev");
    maglev.items("hashPolicies").into_iter().for_each(hash_policy);
    if let Some(size) = maglev.number::<u64>("tableSize")
        && !(size <= LARGEST_TABLE && is_prime(size))
    {
        let help = "write a prime such as 65537, or leave it out for that";
        let message = format!("{size} is no prime up to {LARGEST_TABLE}");
        maglev.error("tableSize", message, Some(help.into()));
    }
}

fn ring(mut ring: Fields<'_>) {
    ring.items("hashPolicies").into_iter().for_each(hash_policy);
    ring.choice("hashFunction", &[("XXHash", ()), ("MurmurHash2", ())]);
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

fn locality(mut conf: Fields<'_>) {
    conf.flag("disabled");
    let mut weights = Vec::new();
    let mut local = conf.object("localZone");
    for mut tag in local.items("affinityTags") {
        if tag.text("key").is_none() {
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
    }
    if weights.contains(&true) && weights.contains(&false) {
        let help = "give each a weight, or none";
        local.error("affinityTags", "some have a weight and some have none", Some(help.into()));
    }
    let mut cross = conf.object("crossZone");
    cross.items("failover").into_iter().for_each(failover);
    let mut threshold = cross.object("failoverThreshold");
    percent(&mut threshold, "percentage");
}

fn failover(mut rule: Fields<'_>) {
    rule.object("from").texts("zones");
    let mut to = rule.object("to");
    let types = [("Any", false), ("None", false), ("Only", true), ("AnyExcept", true)];
    let wants_zones = to.choice("type", &types);
    let zones = to.texts("zones");
    match wants_zones {
        None if !to.has("type") => {
            to.error("type", "where to?", Some("add `type: Any`, Only, AnyExcept or None".into()));
        }
        Some(true) if zones.is_empty() => to.error("zones", "this type needs zones", None),
        Some(false) if !zones.is_empty() => to.error("zones", "this type has no zones", None),
        None | Some(_) => {}
    }
}

fn is_prime(number: u64) -> bool {
    number > 1
        && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}
