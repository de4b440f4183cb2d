use std::collections::BTreeMap;

use super::*;
use crate::config::Direction;
use crate::counts::CONNECT_TIME_BOUNDS;
use crate::ending::Ending;

fn backend(reference: &str, opened: u64) -> BackendSnapshot {
    let mut connect_times = HistogramSnapshot::new(&CONNECT_TIME_BOUNDS);
    connect_times.buckets[2].1 = opened;
    BackendSnapshot {
        policy: "MeshTCPRoute default/shift".into(),
        reference: reference.into(),
        cluster: reference.into(),
        wanted: Some(0.5),
        chosen: opened + 2,
        opened,
        active: 0,
        outdated: 0,
        cut: 0,
        resets: 0,
        resets_early: 0,
        failed_attempts: 3,
        connect_times,
        ended: BTreeMap::from([(Ending::ClientClosed, opened), (Ending::ConnectRefused, 2)]),
        durations: HistogramSnapshot::default(),
        bytes_from_clients: 10 * opened,
        bytes_to_clients: 0,
        endpoints: Vec::new(),
    }
}

fn counted(backends: Vec<BackendSnapshot>) -> CounterSnapshot {
    let listener = ListenerSnapshot {
        proxy: "default/web-1".into(),
        name: "outbound".into(),
        address: None,
        purpose: Some((Direction::Outbound, "redis".into())),
        accepted: 0,
        active: 0,
        ended: BTreeMap::from([(Ending::Limit, 5), (Ending::ConnectRefused, 2)]),
        duration_milliseconds: 0,
        connect_times: HistogramSnapshot::default(),
        backends,
        mirrors: None,
    };
    CounterSnapshot { listeners: vec![listener], ..CounterSnapshot::default() }
}

fn backends_of(report: &TrafficReport) -> Vec<&str> {
    report.rows.iter().map(|row| row.backend.as_str()).collect()
}

#[test]
fn the_first_report_says_all_and_later_ones_what_is_new() {
    let mut reporter = ReportBuilder::new(Timestamp::UNIX_EPOCH);
    let first = reporter.report(&counted(vec![backend("v1", 7), backend("v2", 1)]), None).unwrap();
    assert!(first.is_first);
    assert_eq!(backends_of(&first), ["", "v1", "v2"]);
    let undecided = &first.rows[0].refused;
    assert_eq!(undecided[..], [Refused { reason: "limit".into(), count: 5 }]);
    let v1 = &first.rows[1];
    assert_eq!((v1.opened, v1.chosen, v1.failed_attempts, v1.connect_times[2]), (7, 9, 3, 7));
    assert_eq!(v1.refused[..], [Refused { reason: "connect-refused".into(), count: 2 }]);

    assert!(reporter.report(&counted(vec![backend("v1", 7), backend("v2", 1)]), None).is_none());
    let second = reporter.report(&counted(vec![backend("v1", 7), backend("v2", 2)]), None).unwrap();
    assert!(!second.is_first);
    assert_eq!(backends_of(&second), ["v2"]);
    let third = reporter.report(&counted(vec![backend("v2", 2)]), None).unwrap();
    assert_eq!(backends_of(&third), ["v1"]);
    assert!(third.rows[0].is_gone);
    assert!(reporter.report(&counted(vec![backend("v2", 2)]), None).is_none());
}

#[test]
fn a_proxy_that_counts_nothing_says_so_once() {
    let mut reporter = ReportBuilder::new(Timestamp::UNIX_EPOCH);
    assert!(reporter.report(&CounterSnapshot::default(), None).is_some_and(|first| first.rows.is_empty()));
    assert!(reporter.report(&CounterSnapshot::default(), None).is_none());
}

#[test]
fn what_does_not_fit_has_its_turn() {
    let mut reporter = ReportBuilder::new(Timestamp::UNIX_EPOCH);
    let all =
        |opened| counted((0..ROWS_OF_PROXY + 9).map(|it| backend(&format!("v{it:05}"), opened)).collect());
    let first = reporter.report(&all(1), None).unwrap();
    assert_eq!((first.rows.len(), first.left_out), (ROWS_AT_ONCE, 10));
    // rows reported first change each time, and the others are reported all the same
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    seen.extend(first.rows.iter().map(|row| (row.backend.clone(), row.opened)));
    let mut reports = 1;
    for opened in 2..20 {
        let report = reporter.report(&all(opened), None).unwrap();
        seen.extend(report.rows.iter().map(|row| (row.backend.clone(), row.opened)));
        reports += 1;
        if seen.len() == ROWS_OF_PROXY {
            break;
        }
    }
    assert!(reports <= ROWS_OF_PROXY / ROWS_AT_ONCE + 3, "{reports}");
}

#[test]
fn paths_are_said_first_and_whenever_one_has_changed() {
    let paths = |why: Option<&str>| Some(outbound_paths([("outbound:1".into(), why.map(str::to_owned))]));
    let still = CounterSnapshot::default();
    let mut reporter = ReportBuilder::new(Timestamp::UNIX_EPOCH);
    assert_eq!(reporter.report(&still, paths(None)).unwrap().paths, paths(None));
    assert!(reporter.report(&still, paths(None)).is_none());
    let changed = reporter.report(&still, paths(Some("--data-path relay"))).unwrap();
    assert_eq!((changed.rows.len(), changed.paths), (0, paths(Some("--data-path relay"))));
    // counters alone say nothing of paths
    let counts = reporter.report(&counted(vec![backend("v1", 7)]), paths(Some("--data-path relay"))).unwrap();
    assert_eq!(counts.paths, None);
    // a new stream begins with them
    let mut reporter = ReportBuilder::new(Timestamp::UNIX_EPOCH);
    assert_eq!(reporter.report(&still, paths(None)).unwrap().paths, paths(None));
    assert_eq!(ReportBuilder::new(Timestamp::UNIX_EPOCH).report(&still, None).unwrap().paths, None);
}
