use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::balance::hash::mix_both;
use crate::config::{Endpoint, Host};

/// A cluster with the given number of endpoints in each priority.
fn cluster(priorities: &[usize], policy: BalancingPolicy) -> Cluster {
    let endpoint = |priority: u32, number: usize| Endpoint {
        host: Host::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, priority as u8, number as u8))),
        port: 80,
        weight: NonZeroU32::MIN,
        priority,
        zone: "".into(),
    };
    let endpoints = (0u32..).zip(priorities);
    let endpoints = endpoints.flat_map(|(priority, count)| (0..*count).map(move |it| endpoint(priority, it)));
    Cluster { policy, panic_threshold: 0, ..Cluster::new("redis", endpoints.collect()) }
}

fn roster(cluster: &Cluster, fitness: &[Fitness]) -> Roster {
    Roster::new(cluster, &Tables::new(cluster), fitness)
}

/// Up for `u`, down for `d`, ejected for `e`.
fn fitness(letters: &str) -> Vec<Fitness> {
    let of = |letter| Fitness { up: letter != 'd', ejected: letter == 'e', warmth: 100 };
    letters.chars().map(of).collect()
}

/// Endpoints that take connections, in the order of trying.
fn order(cluster: &Cluster, letters: &str) -> Vec<usize> {
    roster(cluster, &fitness(letters)).walk(0).collect()
}

fn shares(roster: &Roster, connections: u64) -> BTreeMap<usize, u64> {
    let mut seen = BTreeMap::new();
    for turn in 0..connections {
        let place = roster.pick(turn, mix_both(turn, 1), |_| 0);
        *seen.entry(roster.walk(place).next().unwrap()).or_default() += 1;
    }
    seen
}

fn policies() -> impl Strategy<Value = BalancingPolicy> {
    prop_oneof![
        Just(BalancingPolicy::RoundRobin),
        Just(BalancingPolicy::Random),
        (0..5u32).prop_map(BalancingPolicy::least_connections),
        Just(BalancingPolicy::ring_hash(0, 0)),
        Just(BalancingPolicy::maglev(251)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn who_is_not_usable_is_not_chosen_and_everybody_else_is_tried_once(
        policy in policies(),
        priorities in prop::collection::vec(0..4usize, 1..4),
        states in prop::collection::vec((any::<bool>(), any::<bool>(), 1..=100u8), 12),
        thresholds in (0..=100u8, 0..=100u8, any::<bool>()),
        turn in any::<u64>(),
        client in any::<u64>(),
    ) {
        let mut cluster = cluster(&priorities, policy);
        (cluster.failover_threshold, cluster.panic_threshold, cluster.fail_on_panic) = thresholds;
        let fitness: Vec<Fitness> =
            states.iter().map(|(up, ejected, warmth)| Fitness { up: *up, ejected: *ejected, warmth: *warmth }).collect();
        let roster = roster(&cluster, &fitness);
        let place = roster.pick(turn, client, |endpoint| endpoint as u32);
        let mut walked: Vec<usize> = roster.walk(place).collect();
        let all = 0..cluster.endpoints.len();
        let up = all.clone().filter(|index| fitness[*index].up).count();
        match roster.condition() {
            Condition::Down => prop_assert!(walked.is_empty() && (up == 0 || cluster.fail_on_panic)),
            Condition::Calm => {
                prop_assert!(place < roster.first());
                let well = all.clone().filter(|index| fitness[*index].up && !fitness[*index].ejected).count();
                for index in &walked {
                    // an ejected endpoint returns only when no other is left
                    prop_assert!(fitness[*index].up && (well == 0 || !fitness[*index].ejected));
                }
                prop_assert_eq!(walked.len(), if well > 0 { well } else { up });
            }
            Condition::Panic => prop_assert!(place < roster.first() && !cluster.fail_on_panic),
        }
        let len = walked.len();
        walked.sort_unstable();
        walked.dedup();
        prop_assert_eq!(walked.len(), len);
    }

    #[test]
    fn a_roster_is_the_same_for_the_same_health(policy in policies(), letters in "[ude]{4}", turn in any::<u64>()) {
        let cluster = cluster(&[4], policy);
        let pick = || roster(&cluster, &fitness(&letters)).pick(turn, turn, |_| 0);
        prop_assert_eq!(pick(), pick());
    }
}

#[test]
fn the_lowest_priority_with_somebody_usable_carries() {
    let cluster = cluster(&[2, 2], BalancingPolicy::RoundRobin);
    assert_eq!(order(&cluster, "uuuu"), [0, 1, 2, 3]);
    assert_eq!(order(&cluster, "duuu"), [1, 2, 3]);
    assert_eq!(order(&cluster, "dduu"), [2, 3]);
    assert!(order(&cluster, "dddd").is_empty());
    assert_eq!(roster(&cluster, &fitness("dddd")).condition(), Condition::Down);
}

#[test]
fn a_priority_is_left_below_the_failover_threshold() {
    let mut cluster = cluster(&[4, 2], BalancingPolicy::RoundRobin);
    cluster.failover_threshold = 70;
    assert_eq!(order(&cluster, "uuuduu"), [0, 1, 2, 4, 5]);
    // half of the first are left: the second is active, and those are tried after it
    assert_eq!(order(&cluster, "uudduu"), [4, 5, 0, 1]);
    // none reaches the threshold: the larger share is active
    assert_eq!(order(&cluster, "udddud"), [4, 0]);
    assert_eq!(order(&cluster, "uudddu"), [0, 1, 5]);
}

#[test]
fn below_the_panic_threshold_health_is_not_believed() {
    let mut cluster = cluster(&[3], BalancingPolicy::RoundRobin);
    cluster.panic_threshold = 50;
    assert_eq!(order(&cluster, "uud"), [0, 1]);
    assert_eq!(order(&cluster, "udd"), [0, 1, 2]);
    assert_eq!(roster(&cluster, &fitness("udd")).condition(), Condition::Panic);
    // none at all is no panic: no endpoint would answer
    assert_eq!(roster(&cluster, &fitness("ddd")).condition(), Condition::Down);
    cluster.fail_on_panic = true;
    assert!(order(&cluster, "udd").is_empty());
    assert_eq!(roster(&cluster, &fitness("udd")).usable(), 1);
}

#[test]
fn there_is_no_panic_while_another_priority_is_well() {
    let mut cluster = cluster(&[3, 1], BalancingPolicy::RoundRobin);
    cluster.panic_threshold = 50;
    assert_eq!(order(&cluster, "uddu"), [0, 3]);
    assert_eq!(order(&cluster, "uddd"), [0, 1, 2]);
}

#[test]
fn who_is_set_aside_comes_back_when_nobody_else_is_left() {
    let cluster = cluster(&[3], BalancingPolicy::RoundRobin);
    assert_eq!(order(&cluster, "eue"), [1]);
    assert_eq!(order(&cluster, "ede"), [0, 2]);
}

#[test]
fn a_cold_endpoint_gets_a_part_of_its_turns() {
    for policy in [BalancingPolicy::RoundRobin, BalancingPolicy::Random] {
        let cluster = cluster(&[2], policy);
        let mut fitness = fitness("uu");
        fitness[1].warmth = 25;
        let seen = shares(&roster(&cluster, &fitness), 1250);
        assert!(seen[&1].abs_diff(250) <= 84, "{seen:?}");
    }
}

#[test]
fn random_follows_the_weights() {
    let mut cluster = cluster(&[2], BalancingPolicy::Random);
    cluster.endpoints[0].weight = NonZeroU32::new(3).unwrap();
    let seen = shares(&roster(&cluster, &[]), 4000);
    assert!(seen[&0].abs_diff(3000) <= 6 * 28, "{seen:?}");
}

#[test]
fn a_client_that_is_hashed_stays_while_others_move() {
    for policy in [BalancingPolicy::ring_hash(0, 0), BalancingPolicy::maglev(0)] {
        let cluster = cluster(&[5], policy);
        let (all, some) = (roster(&cluster, &[]), roster(&cluster, &fitness("uduue")));
        for client in 0..500 {
            let at =
                |roster: &Roster| roster.walk(roster.pick(7, mix_both(client, 0), |_| 0)).next().unwrap();
            let (was, is) = (at(&all), at(&some));
            assert!(was == is || was == 1 || was == 4);
        }
        assert!(
            shares(&all, 1000).values().all(|share| (100..400).contains(share)),
            "{:?}",
            shares(&all, 1000)
        );
    }
}
