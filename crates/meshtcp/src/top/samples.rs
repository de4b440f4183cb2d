//! Samples of the last minute: rates are differences between two of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use change::traffic::{Counts, Flow, TrafficPage, TrafficRow};
use jiff::Timestamp;
use plan::ProxyId;
use serde_json::Value;

/// Time for which a sample is kept.
const KEPT: Duration = Duration::from_secs(60);
/// Time over which a rate is computed.
const PACE: Duration = Duration::from_secs(5);

/// Sample of all counters.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Every flow.
    pub(super) flows: TrafficPage,
    /// Every proxy; `None`: a single proxy was asked.
    pub(super) proxies: Option<TrafficPage>,
    /// Open connections of a single proxy that was asked.
    pub(super) connections: Vec<Value>,
}

/// Subject whose counters are added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Flow(Flow),
    Proxy(ProxyId),
}

/// Samples of the last minute.
#[derive(Debug, Default)]
pub(super) struct Samples {
    looks: VecDeque<(Timestamp, BTreeMap<Subject, Counts>)>,
}

/// Counters of a period.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) counts: Counts,
    pub(super) seconds: f64,
}

impl Counted {
    /// Rate of `count` per second.
    pub(super) fn each_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}

impl Samples {
    /// Adds a sample, and drops those that are too old.
    pub(super) fn take(&mut self, sample: &Sample) {
        let rows = sample.flows.items.iter().chain(sample.proxies.iter().flat_map(|page| &page.items));
        let counts = rows.filter_map(|row| Some((subject(row)?, row.counts.clone()))).collect();
        let at = sample.flows.at;
        self.looks.push_back((at, counts));
        while self.looks.front().is_some_and(|(then, _)| age(*then, at) > KEPT) {
            self.looks.pop_front();
        }
    }

    /// Counters of the last seconds.
    pub(super) fn lately(&self, subject: &Subject) -> Counted {
        self.since(subject, PACE)
    }

    /// Counters of the last minute, or since the first sample.
    pub(super) fn in_a_minute(&self, subject: &Subject) -> Counted {
        self.since(subject, KEPT)
    }

    fn since(&self, subject: &Subject, time: Duration) -> Counted {
        let Some((now, last)) = self.looks.back() else { return Counted::default() };
        let Some(counts) = last.get(subject) else { return Counted::default() };
        let first = self.looks.iter().find(|(then, _)| age(*then, *now) <= time);
        let Some((then, before)) = first.filter(|(then, _)| then < now) else { return Counted::default() };
        // a subject that is missing in the earlier sample has counted everything since then
        let counts = before.get(subject).map_or_else(|| counts.clone(), |before| counts.since(before));
        Counted { counts, seconds: age(*then, *now).as_secs_f64() }
    }
}

/// Subject of a row.
pub(super) fn subject(row: &TrafficRow) -> Option<Subject> {
    match (&row.flow, &row.proxy) {
        (Some(flow), _) => Some(Subject::Flow(flow.clone())),
        (None, Some(proxy)) => Some(Subject::Proxy(proxy.clone())),
        (None, None) => None,
    }
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
