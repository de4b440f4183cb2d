use std::borrow::Cow;

use jiff::SignedDuration;

use super::*;
use crate::traffic::Causes;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn traffic() -> Traffic {
    Traffic::new(Bounds { rows_of_proxy: 2, rows: 3, histories: 1, ..Bounds::default() }, at(100))
}

fn flow(backend: &str) -> Flow {
    Flow {
        mesh: "default".into(),
        route: Some("MeshTCPRoute default/shift".into()),
        destination: "redis".into(),
        direction: super::super::flow::FlowDirection::Outbound,
        backend: Some(backend.into()),
    }
}

fn counts(opened: u64, active: u64) -> Counts {
    let refused = Causes([(Cow::Borrowed("limit"), opened / 10)].into());
    Counts { chosen: opened, opened, active, refused, bytes_to_clients: 100 * opened, ..Counts::default() }
}

fn report(started: i64, is_first: bool, rows: &[(&str, u64, u64)]) -> Report {
    let row = |(backend, opened, active): &(&str, u64, u64)| {
        (flow(backend), Some(Row { wanted: Some(0.5), counts: counts(*opened, *active) }))
    };
    Report { started: at(started), is_first, rows: rows.iter().map(row).collect(), left_out: 0 }
}

fn web(number: u8) -> ProxyId {
    ProxyId::dataplane("default", &*format!("web-{number}"))
}

fn sums(traffic: &Traffic, backend: &str) -> (u64, u64, usize) {
    let merged = traffic.of(&flow(backend)).unwrap();
    (merged.counts.opened, merged.counts.active, merged.proxies)
}

#[test]
fn proxies_are_added_up_without_what_was_counted_before() {
    let mut traffic = traffic();
    // a long-running proxy, and one that was started since
    traffic.take(&web(1), report(1, true, &[("v1", 1_000, 7)]), at(101)).unwrap();
    traffic.take(&web(2), report(101, true, &[("v1", 30, 2)]), at(102)).unwrap();
    assert_eq!(sums(&traffic, "v1"), (30, 9, 2));
    traffic.take(&web(1), report(1, false, &[("v1", 1_004, 1), ("v2", 3, 3)]), at(103)).unwrap();
    assert_eq!(sums(&traffic, "v1"), (34, 3, 2));
    assert_eq!(sums(&traffic, "v2"), (3, 3, 1));
    assert_eq!(traffic.of_route("default", "MeshTCPRoute default/shift").count(), 2);
    assert_eq!(traffic.of_route("other", "MeshTCPRoute default/shift").count(), 0);
}

#[test]
fn what_happened_while_a_proxy_was_away_is_counted_when_it_is_back() {
    let mut traffic = traffic();
    traffic.take(&web(1), report(1, true, &[("v1", 10, 4)]), at(101)).unwrap();
    traffic.left(&web(1), at(102));
    assert_eq!((sums(&traffic, "v1"), traffic.reporting()), ((0, 0, 1), 0));
    traffic.take(&web(1), report(1, true, &[("v1", 15, 2)]), at(103)).unwrap();
    assert_eq!(sums(&traffic, "v1"), (5, 2, 1));
    // restarted
    traffic.take(&web(1), report(104, true, &[("v1", 6, 6)]), at(105)).unwrap();
    assert_eq!(sums(&traffic, "v1"), (11, 6, 1));
    // away for so long that it is forgotten
    traffic.left(&web(1), at(106));
    (107..3_000).step_by(5).for_each(|second| traffic.step(at(second)));
    assert!(traffic.of(&flow("v1")).is_none());
    traffic.take(&web(1), report(104, true, &[("v1", 20, 1)]), at(3_001)).unwrap();
    assert_eq!(sums(&traffic, "v1"), (0, 1, 1));
}

#[test]
fn no_more_is_kept_than_may_be() {
    let mut traffic = traffic();
    let full = |kept| Err(UnfitReport::Full(kept));
    let three = report(101, true, &[("v1", 1, 0), ("v2", 1, 0), ("v3", 1, 0)]);
    assert_eq!(traffic.take(&web(1), three, at(101)), full(2));
    assert_eq!(traffic.take(&web(2), report(101, true, &[("v1", 1, 0), ("v2", 1, 0)]), at(101)), full(3));
    assert_eq!(sums(&traffic, "v1"), (2, 0, 2));
    assert_eq!(sums(&traffic, "v2"), (1, 0, 1));
    // forgotten rows make room
    let gone = Report { rows: vec![(flow("v1"), None)], ..report(101, false, &[]) };
    traffic.take(&web(1), gone, at(102)).unwrap();
    traffic.take(&web(2), report(101, false, &[("v2", 5, 0)]), at(102)).unwrap();
    assert_eq!((sums(&traffic, "v1"), sums(&traffic, "v2")), ((2, 0, 1), (6, 0, 2)));
}

#[test]
fn the_pace_is_that_of_the_last_step() {
    let mut traffic = traffic();
    traffic.take(&web(1), report(101, true, &[("v1", 50, 3), ("v2", 0, 0)]), at(101)).unwrap();
    traffic.step(at(104));
    assert!(traffic.of(&flow("v1")).unwrap().history.is_none(), "too early");
    traffic.step(at(105));
    let merged = traffic.of(&flow("v1")).unwrap();
    assert_eq!((merged.pace.opened, merged.pace.failed, merged.pace.active), (10.0, 1.0, 3));
    assert_eq!(merged.pace.bytes_to_clients, 1_000.0);
    assert!(traffic.of(&flow("v2")).unwrap().history.is_none(), "nothing happened");
    // there is room for one history only
    traffic.take(&web(1), report(101, false, &[("v2", 9, 0)]), at(106)).unwrap();
    traffic.step(at(110));
    let steps = |backend: &str| traffic.of(&flow(backend)).unwrap().history.clone();
    let opened: Vec<f64> = steps("v1").unwrap().steps().map(|pace| pace.opened).collect();
    assert_eq!((opened, steps("v2")), (vec![10.0, 0.0], None));
}
