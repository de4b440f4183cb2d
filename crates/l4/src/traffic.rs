//! Traffic reports to a control plane: changes of the counters since the last report, in a bounded number of rows, and
//! the data paths of outbounds whenever one changed.

mod paths;

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use jiff::Timestamp;
use xds::proto::l4::{OutboundPaths, Refused, TrafficReport, TrafficRow};

use crate::counts::{BackendSnapshot, CounterSnapshot, HistogramSnapshot, ListenerSnapshot};
pub use paths::{OUTBOUNDS_AT_ONCE, PATH_TEXT_BYTES, outbound_paths};

/// Limit on the rows of one report; the rest follows in the next.
pub const ROWS_AT_ONCE: usize = 500;

/// Limit on the rows of a proxy, first by name; the others are only counted.
pub const ROWS_OF_PROXY: usize = 4_096;

/// Policy name of routes without a policy.
const NO_POLICY: &str = "default";

/// Key of a row: route, destination, direction and backend.
type Key = (Arc<str>, Arc<str>, i32, Arc<str>);

/// Builder of the reports of one stream.
#[derive(Debug)]
pub struct ReportBuilder {
    started: Timestamp,
    /// Rows that were last reported to the control plane, by key.
    told: BTreeMap<Key, TrafficRow>,
    /// Last row that was reported: the next report continues after it.
    turn: Option<Key>,
    /// Data paths that were last reported; `None`: none were.
    paths: Option<OutboundPaths>,
    /// `true`: counts from before the stream was opened are still being reported.
    is_first: bool,
}

impl ReportBuilder {
    /// Creates a reporter that has reported nothing yet. `started`: begin of counting.
    pub fn new(started: Timestamp) -> Self {
        Self { started, told: BTreeMap::new(), turn: None, paths: None, is_first: true }
    }

    /// Returns the changes; `None`: nothing changed. The first report is never `None`, so that the control plane knows
    /// that the proxy reports. `paths`: the data paths of all outbounds now; `None`: they are not reported.
    pub fn report(
        &mut self,
        counted: &CounterSnapshot,
        paths: Option<OutboundPaths>,
    ) -> Option<TrafficReport> {
        let mut rows = rows(counted);
        let left_out = rows.len().saturating_sub(ROWS_OF_PROXY);
        while rows.len() > ROWS_OF_PROXY {
            rows.pop_last();
        }
        for key in self.told.keys() {
            if !rows.contains_key(key) {
                rows.insert(key.clone(), TrafficRow { is_gone: true, ..row_of(key) });
            }
        }
        rows.retain(|key, row| self.told.get(key) != Some(row));
        let is_first = self.is_first;
        let paths = paths.filter(|now| self.paths.as_ref() != Some(now));
        if rows.is_empty() && paths.is_none() && !is_first {
            return None;
        }
        if paths.is_some() {
            self.paths.clone_from(&paths);
        }
        let behind = match &self.turn {
            Some(turn) => split_off_behind(&mut rows, turn),
            None => BTreeMap::new(),
        };
        let mut chosen = Vec::new();
        let mut waiting = behind.into_iter().chain(rows);
        for (key, row) in waiting.by_ref().take(ROWS_AT_ONCE) {
            match row.is_gone {
                true => drop(self.told.remove(&key)),
                false => drop(self.told.insert(key.clone(), row.clone())),
            }
            self.turn = Some(key);
            chosen.push(row);
        }
        self.is_first &= waiting.any(|(key, _)| !self.told.contains_key(&key));
        Some(TrafficReport {
            started_us: self.started.as_microsecond(),
            is_first,
            rows: chosen,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
            paths,
        })
    }
}

/// Splits off the rows after a key.
fn split_off_behind(rows: &mut BTreeMap<Key, TrafficRow>, key: &Key) -> BTreeMap<Key, TrafficRow> {
    let next = rows.range((Excluded(key), Unbounded)).next().map(|(next, _)| next.clone());
    next.map(|next| rows.split_off(&next)).unwrap_or_default()
}

/// Rows of all counters, by key. Listeners for the same destination are merged.
fn rows(counted: &CounterSnapshot) -> BTreeMap<Key, TrafficRow> {
    let mut rows: BTreeMap<Key, TrafficRow> = BTreeMap::new();
    for listener in &counted.listeners {
        // the dialled destination of a listener that is no longer configured is unknown
        let Some((direction, destination)) = &listener.purpose else { continue };
        let mut row = |route: &Arc<str>, backend: &Arc<str>, add: &dyn Fn(&mut TrafficRow)| {
            let route = if **route == *NO_POLICY { "".into() } else { Arc::clone(route) };
            let key = (route, Arc::clone(destination), *direction as i32, Arc::clone(backend));
            add(rows.entry(key.clone()).or_insert_with(|| row_of(&key)));
        };
        for backend in &listener.backends {
            row(&backend.policy, &backend.reference, &|row| add(row, backend));
        }
        let undecided = refused_before_a_choice(listener);
        if !undecided.is_empty() {
            row(&"".into(), &"".into(), &|row| add_refused(row, undecided.iter().copied()));
        }
    }
    rows
}

fn row_of((route, destination, direction, backend): &Key) -> TrafficRow {
    TrafficRow {
        route: route.to_string(),
        destination: destination.to_string(),
        direction: *direction,
        backend: backend.to_string(),
        ..TrafficRow::default()
    }
}

/// Connections of a listener that were refused before a backend was chosen for them.
fn refused_before_a_choice(listener: &ListenerSnapshot) -> Vec<(&'static str, u64)> {
    let refused = listener.ended.iter().filter(|(ending, _)| ending.is_refusal());
    let undecided = refused.map(|(ending, count)| {
        let decided: u64 = listener.backends.iter().filter_map(|backend| backend.ended.get(ending)).sum();
        (ending.as_str(), count.saturating_sub(decided))
    });
    undecided.filter(|(_, count)| *count > 0).collect()
}

fn add(row: &mut TrafficRow, backend: &BackendSnapshot) {
    let BackendSnapshot {
        policy: _,
        reference: _,
        cluster: _,
        wanted,
        chosen,
        opened,
        active,
        outdated,
        cut,
        resets,
        resets_early,
        failed_attempts,
        connect_times: HistogramSnapshot { buckets, sum },
        ended,
        durations: _,
        bytes_from_clients,
        bytes_to_clients,
        endpoints: _,
    } = backend;
    // listeners for the same destination have the same split
    row.wanted = row.wanted.or(*wanted);
    row.chosen += chosen;
    row.opened += opened;
    row.active += active;
    row.on_old_weights += outdated;
    row.cut += cut;
    row.resets += resets;
    row.resets_early += resets_early;
    row.failed_attempts += failed_attempts;
    row.bytes_from_clients += bytes_from_clients;
    row.bytes_to_clients += bytes_to_clients;
    if buckets.iter().any(|(_, count)| *count > 0) {
        row.connect_times.resize(buckets.len(), 0);
        row.connect_times.iter_mut().zip(buckets).for_each(|(sum, (_, count))| *sum += count);
        row.connect_time_us += sum;
    }
    let refused = ended.iter().filter(|(ending, _)| ending.is_refusal());
    add_refused(row, refused.map(|(ending, count)| (ending.as_str(), *count)));
}

fn add_refused(row: &mut TrafficRow, refused: impl Iterator<Item = (&'static str, u64)>) {
    for (reason, count) in refused {
        match row.refused.iter_mut().find(|it| it.reason == reason) {
            Some(known) => known.count += count,
            None => row.refused.push(Refused { reason: reason.to_owned(), count }),
        }
    }
    row.refused.sort_by(|a, b| a.reason.cmp(&b.reason));
}

#[cfg(test)]
mod tests;
