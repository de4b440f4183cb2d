use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::config::{Endpoint, HealthCheck, Host, OutlierDetection};

const SECOND: Duration = Duration::from_secs(1);

fn cluster(endpoints: usize) -> Cluster {
    let endpoint = |number: usize| Endpoint {
        host: Host::Ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number as u8))),
        port: 80,
        weight: NonZeroU32::MIN,
        priority: 0,
        zone: "".into(),
    };
    Cluster {
        slow_start: Some(SECOND * 20),
        health_check: Some(HealthCheck {
            interval: SECOND,
            timeout: SECOND,
            unhealthy_threshold: NonZeroU32::new(2).unwrap(),
            healthy_threshold: NonZeroU32::new(2).unwrap(),
            initial_jitter: Duration::ZERO,
            interval_jitter: Duration::ZERO,
            send: Arc::default(),
            receive: Vec::new(),
        }),
        outlier: Some(OutlierDetection {
            interval: SECOND * 10,
            base: SECOND * 30,
            max_percent: 50,
            consecutive: NonZeroU32::new(3),
        }),
        ..Cluster::new("redis", (0..endpoints).map(endpoint).collect())
    }
}

fn vitals(cluster: &Cluster, now: Instant) -> Vitals {
    Vitals::new(cluster, now, || 0)
}

fn warmths(vitals: &Vitals, cluster: &Cluster, now: Instant) -> Vec<u8> {
    vitals.fitness(cluster, now).iter().map(|fitness| fitness.warmth).collect()
}

#[test]
fn an_endpoint_goes_down_comes_up_and_starts_slowly() {
    let (cluster, start) = (cluster(2), Instant::now());
    let mut vitals = vitals(&cluster, start);
    let refused = || Err(Arc::from("refused"));
    assert!(vitals.begin_check(1, start) && !vitals.begin_check(1, start));
    assert_eq!(vitals.end_check(&cluster, 1, refused(), start, 0), None);
    assert_eq!(
        vitals.end_check(&cluster, 1, refused(), start, 0),
        Some(HealthChange::Down("refused".into()))
    );
    assert!(!vitals.fitness(&cluster, start)[1].up && vitals.fitness(&cluster, start)[0].up);
    assert_eq!(vitals.why_down(1).map(|why| &**why), Some("refused"));
    assert_eq!(vitals.end_check(&cluster, 1, Ok(()), start, 0), None);
    assert_eq!(vitals.end_check(&cluster, 1, Ok(()), start, 0), Some(HealthChange::Up));
    assert_eq!(warmths(&vitals, &cluster, start), [100, 10]);
    assert_eq!(warmths(&vitals, &cluster, start + SECOND * 10), [100, 50]);
    assert_eq!(warmths(&vitals, &cluster, start + SECOND * 20), [100, 100]);
}

#[test]
fn an_ejected_endpoint_returns_and_starts_slowly() {
    let (mut cluster, start) = (cluster(3), Instant::now());
    cluster.health_check = None;
    let mut vitals = vitals(&cluster, start);
    assert_eq!(vitals.eject(&cluster, 0, start), Some(HealthChange::Ejected(SECOND * 30)));
    assert_eq!(vitals.eject(&cluster, 0, start), None);
    assert_eq!(vitals.next(&cluster, start), Some(start + SECOND * 30));
    assert_eq!(vitals.pass(&cluster, start + SECOND * 29), []);
    let back = start + SECOND * 30;
    assert_eq!(vitals.pass(&cluster, back), [(0, HealthChange::Returned)]);
    assert_eq!(warmths(&vitals, &cluster, back), [10, 100, 100]);
    // then it is a matter of steps until it is warm
    assert_eq!(vitals.next(&cluster, back), Some(back + SECOND));
    assert_eq!(vitals.pass(&cluster, back + SECOND * 20), []);
    assert_eq!(warmths(&vitals, &cluster, back + SECOND * 20), [100, 100, 100]);
}

#[test]
fn the_first_sight_is_no_slow_start_and_a_newcomer_is() {
    let (before, start) = (cluster(2), Instant::now());
    let mut vitals = vitals(&before, start);
    assert_eq!(warmths(&vitals, &before, start), [100, 100]);
    vitals.eject(&before, 1, start);
    let after = cluster(3);
    let carried = vitals.carried_over(&before, &after, start + SECOND, || 0);
    assert_eq!(warmths(&carried, &after, start + SECOND), [100, 100, 10]);
    assert!(carried.fitness(&after, start)[1].ejected);
}

#[derive(Clone, Debug)]
enum Event {
    Check(usize, bool),
    Fail(usize),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..4usize, any::<bool>()).prop_map(|(endpoint, good)| Event::Check(endpoint, good)),
        (0..4usize).prop_map(Event::Fail),
        (0..200_000u64).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 0..80)
}

proptest! {
    #[test]
    fn whatever_happens_failed_connections_alone_take_nobody_the_last_endpoint(events in events()) {
        let (cluster, mut now) = (cluster(4), Instant::now());
        let mut vitals = vitals(&cluster, now);
        for event in events {
            match event {
                Event::Check(endpoint, good) => {
                    let result = if good { Ok(()) } else { Err("refused".into()) };
                    vitals.end_check(&cluster, endpoint, result, now, 0);
                }
                Event::Fail(endpoint) => {
                    let usable = vitals.fitness(&cluster, now).iter().filter(|it| it.up && !it.ejected).count();
                    let ejected = vitals.eject(&cluster, endpoint, now).is_some();
                    prop_assert!(!ejected || usable > 1);
                }
                Event::Wait(milliseconds) => {
                    now += Duration::from_millis(milliseconds);
                    vitals.pass(&cluster, now);
                }
            }
            let fitness = vitals.fitness(&cluster, now);
            let ejected = fitness.iter().filter(|it| it.ejected).count();
            prop_assert!(ejected <= 2);
            prop_assert!(fitness.iter().all(|it| (10..=100).contains(&it.warmth)));
        }
        // left alone every endpoint returns
        vitals.pass(&cluster, now + SECOND * 301);
        prop_assert!(vitals.fitness(&cluster, now + SECOND * 301).iter().all(|it| !it.ejected));
    }

    #[test]
    fn whoever_comes_when_something_is_due_misses_nothing(events in events()) {
        // changes by themselves happen only at the times that `next` names
        let (cluster, mut now) = (cluster(4), Instant::now());
        let mut vitals = vitals(&cluster, now);
        for event in events {
            match event {
                Event::Check(endpoint, good) => {
                    let result = if good { Ok(()) } else { Err("refused".into()) };
                    vitals.end_check(&cluster, endpoint, result, now, 0);
                }
                Event::Fail(endpoint) => drop(vitals.eject(&cluster, endpoint, now)),
                Event::Wait(milliseconds) => now += Duration::from_millis(milliseconds),
            }
            vitals.pass(&cluster, now);
            let Some(next) = vitals.next(&cluster, now) else { continue };
            if next > now + Duration::from_nanos(1) {
                let before = vitals.fitness(&cluster, now);
                let just_before = next - Duration::from_nanos(1);
                let mut later = vitals.clone();
                prop_assert_eq!(later.pass(&cluster, just_before), []);
                prop_assert_eq!(later.fitness(&cluster, just_before), before);
            }
        }
    }
}
