//! Rows of the lists: routes, backends, proxies, endpoints, connections.

use std::collections::BTreeMap;

use change::traffic::{Counts, FlowDirection, TrafficRow};
use serde_json::Value;

use super::columns::{Cell, Column, Tone, short};
use super::place::{Place, RouteKey};
use super::samples::{Counted, Sample, Samples, Subject, subject};

/// Row of a list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// List that the row leads to; `None`: none.
    pub(super) leads_to: Option<Place>,
}

/// List, unsorted.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
    /// Default sort column.
    pub(super) sorted_by: usize,
}

const ROUTES: &[Column] = &[
    Column::text("DESTINATION", 0),
    Column::text("POLICY", 4),
    Column::text("WANTED", 2),
    Column::text("SEEN", 1),
    Column::number("CONN/S", 0),
    Column::number("ACTIVE", 0),
    Column::number("BYTES/S", 3),
    Column::number("ERR/S", 1),
    Column::number("OLD", 2),
    Column::number("PROXIES", 5),
];
const BACKENDS: &[Column] = &[
    Column::text("BACKEND", 0),
    Column::number("WANTED", 1),
    Column::number("SEEN", 0),
    Column::number("CONN/S", 0),
    Column::number("ACTIVE", 0),
    Column::number("IN/S", 3),
    Column::number("OUT/S", 3),
    Column::number("CONNECT", 4),
    Column::number("p99", 2),
    Column::number("FAILED/S", 1),
    Column::number("REFUSED/S", 3),
    Column::number("RESETS/S", 4),
    Column::number("OLD", 2),
];
const PROXIES: &[Column] = &[
    Column::text("PROXY", 0),
    Column::number("CONN/S", 0),
    Column::number("ACTIVE", 0),
    Column::number("IN/S", 2),
    Column::number("OUT/S", 2),
    Column::number("ERR/S", 1),
    Column::number("OLD", 1),
];
const ENDPOINTS: &[Column] = &[
    Column::text("ENDPOINT", 0),
    Column::number("ACTIVE", 0),
    Column::number("BYTES", 1),
    Column::number("OLDEST", 1),
];
const CONNECTIONS: &[Column] = &[
    Column::number("ID", 1),
    Column::text("CLIENT", 0),
    Column::text("ENDPOINT", 3),
    Column::number("AGE", 0),
    Column::number("IN", 1),
    Column::number("OUT", 1),
    Column::text("SERVER NAME", 4),
];

/// List of a place.
pub(super) fn list(place: &Place, sample: &Sample, samples: &Samples) -> List {
    let (columns, rows, sorted_by) = match place {
        Place::Routes => (ROUTES, routes(sample, samples), 4),
        Place::Proxies => (PROXIES, proxies(sample, samples), 1),
        Place::Backends(route) => (BACKENDS, backends(route, sample, samples), 4),
        Place::Endpoints(route, backend) => (ENDPOINTS, endpoints(route, backend, sample), 1),
        Place::Connections(route, backend, endpoint) => {
            (CONNECTIONS, connections(route, backend, endpoint, sample), 3)
        }
    };
    List { columns, rows, sorted_by }
}

/// Flow as a row of the list.
struct Backend<'s> {
    row: &'s TrafficRow,
    name: &'s str,
    lately: Counted,
    minute: Counted,
}

/// Flows of each route.
fn by_route<'s>(sample: &'s Sample, samples: &Samples) -> BTreeMap<RouteKey, Vec<Backend<'s>>> {
    let mut routes: BTreeMap<RouteKey, Vec<Backend<'s>>> = BTreeMap::new();
    for row in &sample.flows.items {
        let (Some(flow), Some(subject)) = (&row.flow, subject(row)) else { continue };
        let name = flow.backend.as_deref().unwrap_or("(refused before)");
        let (lately, minute) = (samples.lately(&subject), samples.in_a_minute(&subject));
        routes.entry(RouteKey::of(flow)).or_default().push(Backend { row, name, lately, minute });
    }
    routes
}

fn percent(share: Option<f64>) -> String {
    match share.map(|share| share * 100.0) {
        None => "-".to_owned(),
        Some(share) if share < 9.95 && share.fract() > 0.05 => format!("{share:.1}"),
        Some(share) => format!("{share:.0}"),
    }
}

fn routes(sample: &Sample, samples: &Samples) -> Vec<Row> {
    let row = |(route, backends): (RouteKey, Vec<Backend<'_>>)| {
        let mut lately = Counted::default();
        let mut now = Counts::default();
        for backend in &backends {
            lately.counts.add(&backend.lately.counts);
            lately.seconds = lately.seconds.max(backend.lately.seconds);
            now.add(&backend.row.counts);
        }
        let parts = |shares: Vec<Option<f64>>| shares.into_iter().map(percent).collect::<Vec<_>>().join("/");
        let counts = &lately.counts;
        let way = match route.way {
            FlowDirection::Outbound => "",
            FlowDirection::Inbound => "in ",
            FlowDirection::Gateway => "gateway ",
        };
        let policy = route.policy.split_once(' ').map_or(route.policy.as_str(), |(_, name)| name);
        let cells = vec![
            Cell::text(format!("{way}{}", route.destination)),
            Cell::text(if policy.is_empty() { "-" } else { policy }),
            Cell::text(parts(backends.iter().map(|it| it.row.wanted).collect())),
            Cell::text(parts(backends.iter().map(|it| it.row.seen).collect())),
            Cell::pace(lately.each_second(counts.opened)),
            Cell::count(now.active),
            Cell::pace(lately.each_second(counts.bytes_from_clients + counts.bytes_to_clients)),
            Cell::pace(lately.each_second(counts.failed())).toned(Tone::Bad),
            Cell::count(now.on_old_weights).toned(Tone::Doubtful),
            Cell::count(backends.iter().map(|it| it.row.proxies).max().unwrap_or_default() as u64),
        ];
        Row { cells, leads_to: Some(Place::Backends(route)) }
    };
    by_route(sample, samples).into_iter().map(row).collect()
}

fn backends(route: &RouteKey, sample: &Sample, samples: &Samples) -> Vec<Row> {
    let backends = by_route(sample, samples).remove(route).unwrap_or_default();
    let row = |Backend { row, name, lately, minute }: &Backend<'_>| {
        let (counts, now) = (&lately.counts, &row.counts);
        let share = |share: Option<f64>| match share {
            Some(share) => Cell::number(share, format!("{}%", percent(Some(share)))),
            None => Cell::number(-1.0, "-".to_owned()),
        };
        // the last seconds have too few connects for the 99th percentile
        let connect = |part: f64| match minute.counts.connect_times.quantile(part) {
            Some(time) => Cell::number(time.as_secs_f64(), milliseconds(time.as_secs_f64() * 1e3)),
            None => Cell::number(-1.0, "-".to_owned()),
        };
        let cells = vec![
            Cell::text(*name),
            share(row.wanted),
            share(row.seen),
            Cell::pace(lately.each_second(counts.opened)),
            Cell::count(now.active),
            Cell::pace(lately.each_second(counts.bytes_from_clients)),
            Cell::pace(lately.each_second(counts.bytes_to_clients)),
            connect(0.5),
            connect(0.99),
            Cell::pace(lately.each_second(counts.connect_failures.total())).toned(Tone::Bad),
            Cell::pace(lately.each_second(counts.refused.total())).toned(Tone::Bad),
            Cell::pace(lately.each_second(counts.resets_early)).toned(Tone::Doubtful),
            Cell::count(now.on_old_weights).toned(Tone::Doubtful),
        ];
        // only a proxy itself knows its endpoints
        let leads_to = sample.proxies.is_none().then(|| Place::Endpoints(route.clone(), (*name).to_owned()));
        Row { cells, leads_to }
    };
    backends.iter().map(row).collect()
}

fn proxies(sample: &Sample, samples: &Samples) -> Vec<Row> {
    let row = |row: &TrafficRow| {
        let proxy = row.proxy.clone()?;
        let name = proxy.to_string();
        let lately = samples.lately(&Subject::Proxy(proxy));
        let (counts, now) = (&lately.counts, &row.counts);
        let cells = vec![
            Cell::text(name),
            Cell::pace(lately.each_second(counts.opened)),
            Cell::count(now.active),
            Cell::pace(lately.each_second(counts.bytes_from_clients)),
            Cell::pace(lately.each_second(counts.bytes_to_clients)),
            Cell::pace(lately.each_second(counts.failed())).toned(Tone::Bad),
            Cell::count(now.on_old_weights).toned(Tone::Doubtful),
        ];
        Some(Row { cells, leads_to: None })
    };
    sample.proxies.iter().flat_map(|page| &page.items).filter_map(row).collect()
}

fn text<'v>(connection: &'v Value, key: &str) -> &'v str {
    connection.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(connection: &Value, key: &str) -> f64 {
    connection.get(key).and_then(Value::as_f64).unwrap_or_default()
}

/// Open connections of a route to a backend.
fn open<'s>(route: &'s RouteKey, backend: &'s str, sample: &'s Sample) -> impl Iterator<Item = &'s Value> {
    let is_meant = move |it: &&Value| {
        text(it, "policy") == route.policy
            && text(it, "destination") == route.destination
            && text(it, "backend") == backend
    };
    sample.connections.iter().filter(is_meant)
}

fn endpoints(route: &RouteKey, backend: &str, sample: &Sample) -> Vec<Row> {
    let mut endpoints: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for connection in open(route, backend, sample) {
        endpoints.entry(text(connection, "endpoint")).or_default().push(connection);
    }
    let row = |(endpoint, open): (&str, Vec<&Value>)| {
        let bytes: f64 =
            open.iter().map(|it| number(it, "bytesFromClient") + number(it, "bytesToClient")).sum();
        let oldest = open.iter().map(|it| number(it, "ageSeconds")).fold(0.0, f64::max);
        let cells = vec![
            Cell::text(endpoint),
            Cell::count(open.len() as u64),
            Cell::number(bytes, short(bytes)),
            Cell::number(oldest, age(oldest)),
        ];
        let to = Place::Connections(route.clone(), backend.to_owned(), endpoint.to_owned());
        Row { cells, leads_to: Some(to) }
    };
    endpoints.into_iter().map(row).collect()
}

fn connections(route: &RouteKey, backend: &str, endpoint: &str, sample: &Sample) -> Vec<Row> {
    let row = |it: &Value| {
        let (id, old) = (number(it, "id"), number(it, "ageSeconds"));
        let (from, to) = (number(it, "bytesFromClient"), number(it, "bytesToClient"));
        let cells = vec![
            Cell::number(id, format!("{id:.0}")),
            Cell::text(text(it, "client")),
            Cell::text(text(it, "endpoint")),
            Cell::number(old, age(old)),
            Cell::number(from, short(from)),
            Cell::number(to, short(to)),
            Cell::text(text(it, "serverName")),
        ];
        Row { cells, leads_to: None }
    };
    open(route, backend, sample).filter(|it| text(it, "endpoint") == endpoint).map(row).collect()
}

fn milliseconds(time: f64) -> String {
    if time < 9.95 { format!("{time:.1}ms") } else { format!("{time:.0}ms") }
}

fn age(seconds: f64) -> String {
    crate::get::row::ago(seconds as i64)
}
