//! What was counted in the last minute, look by look: how fast it goes is a difference.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use change::traffic::{Counts, Flow, TrafficPage, TrafficRow};
use jiff::Timestamp;
use plan::ProxyId;
use serde_json::Value;

/// How long a look is kept.
const KEPT: Duration = Duration::from_secs(60);
/// Over how long a pace is taken.
const PACE: Duration = Duration::from_secs(5);

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Every flow.
    pub(super) flows: TrafficPage,
    /// Every proxy; `None`: one proxy was asked.
    pub(super) proxies: Option<TrafficPage>,
    /// The open connections, of one proxy that was asked.
    pub(super) connections: Vec<Value>,
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Flow(Flow),
    Proxy(ProxyId),
}

/// The looks of the last minute.
#[derive(Debug, Default)]
pub(super) struct Samples {
    looks: VecDeque<(Timestamp, BTreeMap<Subject, Counts>)>,
}

/// What was counted in a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) counts: Counts,
    pub(super) seconds: f64,
}

impl Counted {
    /// How many of something there were in the second.
    pub(super) fn each_second(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}

impl Samples {
    /// Adds a look, and forgets what is too old.
    pub(super) fn take(&mut self, sample: &Sample) {
        let rows = sample.flows.items.iter().chain(sample.proxies.iter().flat_map(|page| &page.items));
        let counts = rows.filter_map(|row| Some((subject(row)?, row.counts.clone()))).collect();
        let at = sample.flows.at;
        self.looks.push_back((at, counts));
        while self.looks.front().is_some_and(|(then, _)| age(*then, at) > KEPT) {
            self.looks.pop_front();
        }
    }

    /// What was counted in the last seconds.
    pub(super) fn lately(&self, subject: &Subject) -> Counted {
        self.since(subject, PACE)
    }

    /// What was counted in the last minute, or since it is looked at.
    pub(super) fn in_a_minute(&self, subject: &Subject) -> Counted {
        self.since(subject, KEPT)
    }

    fn since(&self, subject: &Subject, time: Duration) -> Counted {
        let Some((now, last)) = self.looks.back() else { return Counted::default() };
        let Some(counts) = last.get(subject) else { return Counted::default() };
        let first = self.looks.iter().find(|(then, _)| age(*then, *now) <= time);
        let Some((then, before)) = first.filter(|(then, _)| then < now) else { return Counted::default() };
        // what was not there then has counted all since
        let counts = before.get(subject).map_or_else(|| counts.clone(), |before| counts.since(before));
        Counted { counts, seconds: age(*then, *now).as_secs_f64() }
    }
}

/// What a row is about.
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
