use change::traffic::{Causes, Counts, Flow, FlowDirection, TrafficPage, TrafficRow};
use jiff::{SignedDuration, Timestamp};
use plan::ProxyId;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

use super::*;
use crate::top::view;

fn page(at: i64, items: Vec<TrafficRow>) -> TrafficPage {
    let since: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
    TrafficPage {
        since,
        at: since + SignedDuration::from_secs(at),
        step_seconds: 5,
        early_bytes: 1,
        early_seconds: 1,
        connect_time_bounds_us: Vec::new(),
        control_planes: 1,
        reporting: 2,
        total: items.len(),
        items,
    }
}

fn flow(route: &str, destination: &str, backend: &str) -> Flow {
    Flow {
        mesh: "default".into(),
        route: (!route.is_empty()).then(|| format!("MeshTCPRoute default/{route}").into()),
        destination: destination.into(),
        direction: FlowDirection::Outbound,
        backend: Some(backend.into()),
    }
}

fn row(flow: Option<Flow>, proxy: Option<&str>, wanted: Option<f64>, counts: Counts) -> TrafficRow {
    let proxy = proxy.map(|name| ProxyId::dataplane("default", name));
    TrafficRow { flow, proxy, proxies: 2, wanted, seen: wanted, counts, pace: None, history: None }
}

/// Sample `at` seconds after the beginning: a split of 90 to 10, of which the smaller side fails, and a quiet route.
fn sample(at: u64) -> Sample {
    let counts = |each_second: u64, failing: u64| {
        let mut counts = Counts {
            chosen: each_second * at,
            opened: (each_second - failing) * at,
            active: each_second * 2,
            on_old_weights: failing,
            bytes_from_clients: 1_000 * each_second * at,
            bytes_to_clients: 20_000 * each_second * at,
            connect_failures: Causes([("connect-refused".into(), failing * at)].into()),
            ..Counts::default()
        };
        counts.connect_times.counts[2] = each_second * at;
        counts
    };
    let flows = vec![
        row(Some(flow("moves", "redis", "redis")), None, Some(0.9), counts(90, 0)),
        row(Some(flow("moves", "redis", "redis-next")), None, Some(0.1), counts(10, 2)),
        row(Some(flow("", "kafka", "kafka")), None, None, Counts { active: 3, ..Counts::default() }),
    ];
    let proxies =
        vec![row(None, Some("web-1"), None, counts(60, 1)), row(None, Some("web-2"), None, counts(40, 1))];
    Sample { flows: page(at as i64, flows), proxies: Some(page(at as i64, proxies)), connections: Vec::new() }
}

/// The same sample as a single proxy reports it, with its open connections.
fn of_one_proxy(at: u64) -> Sample {
    let connection = |id: u64, endpoint: &str, age: f64| {
        json!({
            "id": id, "policy": "MeshTCPRoute default/moves", "destination": "redis", "backend": "redis-next",
            "client": format!("127.0.0.1:{}", 40_000 + id), "endpoint": endpoint, "ageSeconds": age,
            "bytesFromClient": 1_500, "bytesToClient": 2_500_000,
        })
    };
    let connections = vec![
        connection(1, "10.0.0.1:6379", 5.0),
        connection(2, "10.0.0.1:6379", 7_300.0),
        connection(3, "10.0.0.2:6379", 65.0),
    ];
    Sample { proxies: None, connections, ..sample(at) }
}

fn looked_at(looks: impl IntoIterator<Item = Sample>) -> State {
    let mut looks = looks.into_iter().peekable();
    let is_proxy = looks.peek().is_some_and(|look| look.proxies.is_none());
    let mut state = State::new("http://127.0.0.1:5681".to_owned(), is_proxy);
    looks.for_each(|look| state.take(look));
    state
}

fn press(state: &mut State, keys: &[Key]) {
    for key in keys {
        assert!(state.press(*key).is_continue(), "{key:?} ends it");
    }
}

fn drawn(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, state)).unwrap();
    let lines = terminal.backend().to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_matches('"').trim_end())).collect()
}

#[test]
fn every_list_fits_from_80_columns_on() {
    let mut state = looked_at((0..=10).map(sample));
    insta::assert_snapshot!("routes-80", drawn(&state, 80, 12));
    insta::assert_snapshot!("routes-160", drawn(&state, 160, 12));
    press(&mut state, &[Key::Enter]);
    insta::assert_snapshot!("backends-80", drawn(&state, 80, 12));
    insta::assert_snapshot!("backends-160", drawn(&state, 160, 12));
    press(&mut state, &[Key::Tab]);
    insta::assert_snapshot!("proxies-80", drawn(&state, 80, 12));
    press(&mut state, &[Key::Letter('?')]);
    insta::assert_snapshot!("help-80", drawn(&state, 80, 24));
    let mut state = looked_at((0..=2).map(of_one_proxy));
    press(&mut state, &[Key::Enter, Key::Down(1), Key::Enter]);
    insta::assert_snapshot!("endpoints-80", drawn(&state, 80, 12));
    press(&mut state, &[Key::Enter]);
    insta::assert_snapshot!("connections-80", drawn(&state, 80, 12));
}

#[test]
fn any_size_can_be_drawn() {
    let mut state = looked_at((0..=3).map(sample));
    for (width, height) in [(1, 1), (2, 3), (20, 4), (79, 23), (200, 60)] {
        state.shows_help = false;
        drawn(&state, width, height);
        state.shows_help = true;
        drawn(&state, width, height);
    }
    drawn(&State::new("nobody".to_owned(), false), 80, 24);
}

fn names(state: &State) -> Vec<String> {
    let Drawn { list, .. } = state.drawn().unwrap();
    list.rows.iter().map(|row| row.cells[0].text.clone()).collect()
}

#[test]
fn rows_are_sorted_and_filtered() {
    let mut state = looked_at((0..=3).map(sample));
    assert_eq!(names(&state), ["redis", "kafka"], "the busiest first");
    press(&mut state, &[Key::Letter('r')]);
    assert_eq!(names(&state), ["kafka", "redis"]);
    press(&mut state, &[Key::Letter('/'), Key::Letter('m'), Key::Letter('o'), Key::Enter]);
    assert_eq!(names(&state), ["redis"], "by its policy");
    let Drawn { total, .. } = state.drawn().unwrap();
    assert_eq!(total, 2);
    // letters are text while the filter is typed
    press(&mut state, &[Key::Letter('/'), Key::Letter('q')]);
    assert_eq!(names(&state), Vec::<String>::new());
    press(&mut state, &[Key::Back]);
    assert_eq!(names(&state).len(), 2);
    assert!(state.press(Key::Letter('q')).is_break());
}

#[test]
fn one_gets_in_and_back_and_what_is_selected_is_there() {
    let mut state = looked_at((0..=3).map(sample));
    press(&mut state, &[Key::Down(usize::MAX)]);
    assert_eq!(state.drawn().unwrap().selected, 1);
    press(&mut state, &[Key::Up(10), Key::Enter]);
    assert_eq!(names(&state), ["redis", "redis-next"]);
    // a control plane knows no endpoints
    press(&mut state, &[Key::Enter]);
    assert_eq!(names(&state), ["redis", "redis-next"]);
    press(&mut state, &[Key::Back]);
    assert_eq!(names(&state), ["redis", "kafka"]);
    press(&mut state, &[Key::Back, Key::Tab]);
    assert_eq!(names(&state), ["default/web-1", "default/web-2"]);
    press(&mut state, &[Key::Tab]);
    assert_eq!(names(&state), ["redis", "kafka"]);
    // the selected row is gone
    let mut fewer = sample(4);
    fewer.flows.items.truncate(1);
    press(&mut state, &[Key::Down(5)]);
    state.take(fewer);
    assert_eq!(state.drawn().unwrap().selected, 0);
}

#[test]
fn what_is_paused_stays_and_what_fails_is_told() {
    let mut state = looked_at([sample(0), sample(1)]);
    press(&mut state, &[Key::Letter('p')]);
    state.take(sample(9));
    assert!(drawn(&state, 100, 8).contains("12:00:01Z") && drawn(&state, 100, 8).contains("paused"));
    press(&mut state, &[Key::Letter('p')]);
    state.take(sample(10));
    assert!(drawn(&state, 100, 8).contains("12:00:10Z"));
    state.fail("the control plane cannot be reached: nobody\n  help: x".to_owned());
    let lost = drawn(&state, 160, 8);
    assert!(lost.contains("cannot be reached: nobody") && lost.contains("redis"), "{lost}");
    state.take(sample(11));
    assert!(!drawn(&state, 160, 8).contains("cannot be reached"));
}

#[test]
fn a_pace_is_that_of_the_last_seconds() {
    let mut quiet = sample(100);
    // the same counts as a second before: nothing has happened
    quiet.flows.at += SignedDuration::from_secs(1);
    let mut looks: Vec<Sample> = (95..=100).map(sample).collect();
    let state = looked_at(looks.clone());
    let cells = |state: &State| {
        state.drawn().unwrap().list.rows[0].cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(cells(&state)[2..6], ["90/10", "90/10", "98", "200"]);
    looks.push(quiet);
    assert_eq!(cells(&looked_at(looks))[4], "78", "four of five seconds");
    // a restarted proxy counts from zero
    assert_eq!(
        cells(&looked_at([sample(100), {
            let mut anew = sample(1);
            anew.flows.at = sample(101).flows.at;
            anew
        }]))[4],
        "98"
    );
}
