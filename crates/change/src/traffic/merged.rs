//! Merged counters of all proxies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use l4::traffic::ROWS_OF_PROXY;
use plan::ProxyId;

use super::{Counts, Flow, History, Pace, Report, Row, STEP, UnfitReport};

/// Limits on what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Rows of one proxy.
    pub rows_of_proxy: usize,
    /// Rows of all proxies together.
    pub rows: usize,
    /// Proxies whose start of counting is remembered.
    pub proxies: usize,
    /// Flows with a history of the last quarter of an hour; later ones have none.
    pub histories: usize,
    /// Time to keep the counters of a proxy after it left, and a flow that no proxy has.
    pub memory: Duration,
}

impl Default for Bounds {
    /// 200,000 rows and 2,048 histories take about 100 MiB when all are full.
    fn default() -> Self {
        Self {
            rows_of_proxy: ROWS_OF_PROXY,
            rows: 200_000,
            proxies: 50_000,
            histories: 2_048,
            memory: Duration::from_mins(15),
        }
    }
}

/// Counters of all proxies, each for itself, and merged.
///
/// The sums contain what was counted since this was created: counts of a proxy from before are left out, and those of a
/// proxy that left stay in them.
#[derive(Clone, Debug)]
pub struct Traffic {
    bounds: Bounds,
    since: Timestamp,
    stepped: Timestamp,
    pub(super) proxies: BTreeMap<ProxyId, OfProxy>,
    pub(super) flows: BTreeMap<Arc<Flow>, MergedFlow>,
    rows: usize,
    histories: usize,
}

/// Counters of one proxy.
#[derive(Clone, Debug, Default)]
pub(super) struct OfProxy {
    started: Timestamp,
    /// Time when it stopped reporting; `None`: it reports.
    left: Option<Timestamp>,
    /// `true`: nothing was known of it before the present reports, which then contain earlier counts.
    is_new: bool,
    pub(super) left_out: u32,
    pub(super) rows: BTreeMap<Arc<Flow>, Row>,
    /// Sum of its counters since this was created.
    pub(super) sum: Counts,
    before: Counts,
    pub(super) pace: Pace,
}

/// Flow over all proxies.
#[derive(Clone, Debug, Default)]
pub struct MergedFlow {
    /// Share of the backend as last reported by a proxy; `None`: no route names it any more.
    pub wanted: Option<f64>,
    /// Number of reporting proxies that have it.
    pub proxies: usize,
    /// Counters.
    pub counts: Counts,
    /// Rates of the last step.
    pub pace: Pace,
    /// History of the last quarter of an hour; `None`: nothing happened in it, or there are too many flows.
    pub history: Option<History>,
    before: Counts,
    /// Time since which no proxy has it; `None`: at least one has.
    unused: Option<Timestamp>,
}

impl Traffic {
    /// Creates empty counters.
    pub fn new(bounds: Bounds, now: Timestamp) -> Self {
        Self {
            bounds,
            since: now,
            stepped: now,
            proxies: BTreeMap::new(),
            flows: BTreeMap::new(),
            rows: 0,
            histories: 0,
        }
    }

    /// Returns the present sums as counters of the single proxy `who`.
    pub(super) fn as_sums_of(&self, who: ProxyId) -> Self {
        let rows: BTreeMap<Arc<Flow>, Row> = self
            .flows
            .iter()
            .map(|(flow, merged)| {
                (Arc::clone(flow), Row { wanted: merged.wanted, counts: merged.counts.clone() })
            })
            .collect();
        let mut sums = Self { proxies: BTreeMap::new(), rows: rows.len(), ..self.clone() };
        for merged in sums.flows.values_mut() {
            (merged.proxies, merged.unused) = (1, None);
        }
        sums.proxies.insert(who, OfProxy { started: self.since, rows, ..OfProxy::default() });
        sums
    }

    /// Time when counting began here.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Number of proxies that report.
    pub fn reporting(&self) -> usize {
        self.proxies.values().filter(|it| it.is_reporting()).count()
    }

    /// One flow; `None`: unknown.
    pub fn of(&self, flow: &Flow) -> Option<&MergedFlow> {
        self.flows.get(flow)
    }

    /// Flows of connections that a policy (`Kind mesh/name`) decides, in a mesh: one for each destination, direction
    /// and backend.
    pub fn of_route<'a>(
        &'a self,
        mesh: &'a str,
        route: &'a str,
    ) -> impl Iterator<Item = (&'a Flow, &'a MergedFlow)> + 'a {
        let ours = move |flow: &Flow| *flow.mesh == *mesh && flow.route.as_deref() == Some(route);
        self.flows.iter().filter(move |(flow, _)| ours(flow)).map(|(flow, merged)| (&**flow, merged))
    }

    /// Takes the report of a proxy.
    ///
    /// # Errors
    /// A limit is exceeded. What fits is taken.
    pub fn take(&mut self, proxy: &ProxyId, report: Report, now: Timestamp) -> Result<(), UnfitReport> {
        let Report { started, is_first, rows, left_out } = report;
        if !self.proxies.contains_key(proxy) {
            self.make_room(now)?;
        }
        if self.proxies.get(proxy).is_some_and(|known| known.started != started) {
            // it was restarted: all of its counts are new
            self.forget_rows(proxy, now);
        }
        // when an older proxy counted its first report is unknown here
        let is_older = started < self.since;
        let new = || OfProxy { started, is_new: is_older, ..OfProxy::default() };
        let known = self.proxies.entry(proxy.clone()).or_insert_with(new);
        if known.started != started {
            (known.started, known.is_new) = (started, false);
        }
        known.is_new &= is_first;
        (known.left, known.left_out) = (None, left_out);
        let mut outcome = Ok(());
        let Self { bounds, flows, rows: kept, .. } = self;
        for (flow, row) in rows {
            let Some(row) = row else {
                if known.forget(&flow, flows, now) {
                    *kept -= 1;
                }
                continue;
            };
            if let Some(before) = known.rows.get_mut(&flow) {
                if let Some(merged) = flows.get_mut(&flow) {
                    merged.wanted = row.wanted;
                    let new = row.counts.since(&before.counts);
                    for sum in [&mut merged.counts, &mut known.sum] {
                        sum.forget_living(&before.counts);
                        sum.add(&new);
                    }
                }
                *before = row;
                continue;
            }
            if *kept >= bounds.rows || known.rows.len() >= bounds.rows_of_proxy {
                let full = if *kept < bounds.rows { bounds.rows_of_proxy } else { bounds.rows };
                outcome = Err(UnfitReport::Full(full));
                continue;
            }
            let flow = match flows.get_key_value(&flow) {
                Some((shared, _)) => Arc::clone(shared),
                None => Arc::new(flow),
            };
            let merged = flows.entry(Arc::clone(&flow)).or_default();
            *kept += 1;
            merged.proxies += 1;
            (merged.unused, merged.wanted) = (None, row.wanted);
            let new = if known.is_new { &Counts::only_living(&row.counts) } else { &row.counts };
            merged.counts.add(new);
            known.sum.add(new);
            known.rows.insert(flow, row);
        }
        outcome
    }

    /// Makes room for one more proxy: without it all those are forgotten that stopped reporting.
    fn make_room(&mut self, now: Timestamp) -> Result<(), UnfitReport> {
        if self.proxies.len() < self.bounds.proxies {
            return Ok(());
        }
        let left = self.proxies.iter().filter(|(_, known)| known.left.is_some());
        let left: Vec<ProxyId> = left.map(|(proxy, _)| proxy.clone()).collect();
        for proxy in left {
            self.forget_rows(&proxy, now);
            self.proxies.remove(&proxy);
        }
        let bound = self.bounds.proxies;
        if self.proxies.len() < bound { Ok(()) } else { Err(UnfitReport::Full(bound)) }
    }

    /// Records that a proxy stopped reporting. Its counters are kept for a while: it may come back.
    pub fn left(&mut self, proxy: &ProxyId, now: Timestamp) {
        let Some(known) = self.proxies.get_mut(proxy).filter(|known| known.left.is_none()) else { return };
        known.left = Some(now);
        known.sum = std::mem::take(&mut known.sum).without_living();
        for (flow, row) in &mut known.rows {
            if let Some(merged) = self.flows.get_mut(flow) {
                merged.counts.forget_living(&row.counts);
            }
            row.counts = std::mem::take(&mut row.counts).without_living();
        }
    }

    /// Samples the rates since the last step, and forgets what is over. Does nothing before [`STEP`] has passed.
    pub fn step(&mut self, now: Timestamp) {
        let time = Duration::try_from(now - self.stepped).unwrap_or_default();
        if now >= self.stepped && time < STEP {
            return;
        }
        self.stepped = now;
        let is_over =
            |since: Timestamp| Duration::try_from(now - since).is_ok_and(|time| time >= self.bounds.memory);
        let forgotten: Vec<ProxyId> = self
            .proxies
            .iter()
            .filter(|(_, known)| known.left.is_some_and(is_over) && !known.rows.is_empty())
            .map(|(proxy, _)| proxy.clone())
            .collect();
        let bounds = self.bounds;
        for known in self.proxies.values_mut() {
            known.pace = Pace::of(&known.sum.since(&known.before), time);
            known.before.clone_from(&known.sum);
        }
        let mut histories = self.histories;
        self.flows.retain(|_, merged| {
            let still = merged.step(time, histories < bounds.histories, &mut histories);
            !(still && merged.unused.is_some_and(is_over))
        });
        self.histories = histories;
        for proxy in forgotten {
            self.forget_rows(&proxy, now);
            if let Some(known) = self.proxies.get_mut(&proxy) {
                // when it comes back, the time of its counts is unknown
                known.is_new = true;
            }
        }
    }

    fn forget_rows(&mut self, proxy: &ProxyId, now: Timestamp) {
        let Some(known) = self.proxies.get_mut(proxy) else { return };
        let forgotten: Vec<Arc<Flow>> = known.rows.keys().cloned().collect();
        for flow in &forgotten {
            known.forget(flow, &mut self.flows, now);
        }
        self.rows -= forgotten.len();
    }
}

impl OfProxy {
    /// Removes the proxy's counters of a flow. Returns `true` if there were any.
    fn forget(&mut self, flow: &Flow, flows: &mut BTreeMap<Arc<Flow>, MergedFlow>, now: Timestamp) -> bool {
        let Some(row) = self.rows.remove(flow) else { return false };
        self.sum.forget_living(&row.counts);
        if let Some(merged) = flows.get_mut(flow) {
            merged.proxies -= 1;
            merged.counts.forget_living(&row.counts);
            if merged.proxies == 0 {
                (merged.unused, merged.wanted) = (Some(now), None);
            }
        }
        true
    }

    pub(super) fn is_reporting(&self) -> bool {
        self.left.is_none()
    }
}

impl MergedFlow {
    /// Number of connections established in the last minute, as far as it is remembered.
    pub(super) fn lately(&self) -> f64 {
        self.history.as_ref().map_or(0.0, History::lately)
    }

    /// Samples the rates. Returns `true` if nothing happened in the whole remembered time.
    fn step(&mut self, time: Duration, is_room: bool, histories: &mut usize) -> bool {
        self.pace = Pace::of(&self.counts.since(&self.before), time);
        self.before.clone_from(&self.counts);
        if self.history.is_none() && is_room && !self.pace.is_still() {
            self.history = Some(History::default());
            *histories += 1;
        }
        let Some(history) = &mut self.history else { return self.pace.is_still() };
        history.push(self.pace);
        let still = history.is_still();
        if still {
            self.history = None;
            *histories -= 1;
        }
        still
    }
}

#[cfg(test)]
mod tests;
