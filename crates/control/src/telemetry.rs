//! Telemetry: the reports of proxies about their traffic, for all readers.
//!
//! ```text
//!  proxies ⇢ TrafficReport ──▶ Telemetry: change::traffic ──▶ API, page, rollouts
//!                                  └── told ⇢ other control planes on the store ⇢ hear ──▶ sums over all of them
//! ```

mod asked;
mod events;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use change::replica::Replica;
use change::traffic::{
    Bounds, Counts, Flow, GlobalTraffic, Report, STEP, ToldParts, Traffic, TrafficPage, TrafficQuestion,
    UnfitReport,
};
use jiff::Timestamp;
use plan::ProxyId;
use xds::proto::l4::TrafficReport;

pub use asked::{InvalidQuestion, question};
pub use events::{ChangeSignal, follow};

/// Telemetry of proxies. Cloning shares it. It is locked while a report is taken in or a page is made, never across a
/// wait.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    traffic: Traffic,
    /// Sums with those of other control planes on the store; `None`: there never was another.
    everywhere: Option<GlobalTraffic>,
    /// State for the other control planes, and the time of its making.
    told: (Timestamp, Arc<ToldParts>),
    /// Number of the stream that reports for each proxy: its last one.
    reporters: BTreeMap<ProxyId, u64>,
    /// Number of streams so far.
    streams: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        let now = Timestamp::now();
        let traffic = Traffic::new(Bounds::default(), now);
        let told = (now, Arc::default());
        let state = State { traffic, everywhere: None, told, reporters: BTreeMap::new(), streams: 0 };
        Self(Arc::new(Mutex::new(state)))
    }
}

/// Reporter of a proxy, until it is dropped or another one attaches.
#[derive(Debug)]
pub struct Reporter {
    telemetry: Telemetry,
    proxy: ProxyId,
    number: u64,
}

impl Telemetry {
    /// Attaches a reporter for a proxy, in place of an earlier one.
    pub fn attach(&self, proxy: ProxyId) -> Reporter {
        let mut state = self.lock();
        state.streams += 1;
        let number = state.streams;
        state.reporters.insert(proxy.clone(), number);
        Reporter { telemetry: self.clone(), proxy, number }
    }

    /// Returns the requested page, over all control planes on the store.
    pub fn page(&self, question: &TrafficQuestion) -> TrafficPage {
        let now = Timestamp::now();
        let mut state = self.lock();
        let State { traffic, everywhere, .. } = &mut *state;
        traffic.step(now);
        match everywhere {
            Some(everywhere) => everywhere.page(traffic, question, now),
            None => traffic.page(question, now),
        }
    }

    /// Returns the state for the other control planes on the store; it is renewed each [`STEP`].
    pub fn told(&self) -> Arc<ToldParts> {
        let now = Timestamp::now();
        let mut state = self.lock();
        let State { traffic, told: (made, told), .. } = &mut *state;
        if Duration::try_from(now - *made).is_ok_and(|time| time >= STEP) || told.is_empty() {
            traffic.step(now);
            let new = traffic.told();
            // readers that have it already get nothing
            if **told != new {
                *told = Arc::new(new);
            }
            *made = now;
        }
        Arc::clone(told)
    }

    /// Takes over the state of the other live control planes.
    pub fn hear(&self, others: &[Replica]) {
        let mut state = self.lock();
        let State { traffic, everywhere, .. } = &mut *state;
        if others.is_empty() && everywhere.is_none() {
            return;
        }
        let told = others.iter().map(|other| (Arc::clone(&other.name), other.traffic.clone())).collect();
        let everywhere = everywhere.get_or_insert_with(|| GlobalTraffic::beginning_with(traffic));
        everywhere.hear(traffic, told, Timestamp::now());
    }

    /// Returns the counts, since counting began here, of the connections for which a policy (`Kind mesh/name`) decides
    /// in a mesh: one entry for each destination, direction and backend. The counts of a period are the difference of
    /// two answers.
    pub fn of_route(&self, mesh: &str, route: &str) -> Vec<(Flow, Counts)> {
        let state = self.lock();
        let flows = state.traffic.of_route(mesh, route);
        flows.map(|(flow, merged)| (flow.clone(), merged.counts.clone())).collect()
    }

    /// Returns `true` if a proxy reports.
    pub fn is_reporting(&self, proxy: &ProxyId) -> bool {
        self.lock().reporters.contains_key(proxy)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter {
    /// Takes a report of the proxy. It is ignored if another reporter has attached for it. Returns the number of
    /// proxies that report.
    ///
    /// # Errors
    /// It is no valid report of a proxy of ours, or more than is kept.
    pub fn take(&self, report: TrafficReport) -> Result<usize, UnfitReport> {
        let report = Report::read(&Arc::from(self.proxy.mesh()), report)?;
        let now = Timestamp::now();
        let mut state = self.telemetry.lock();
        if state.reporters.get(&self.proxy) != Some(&self.number) {
            return Ok(state.reporters.len());
        }
        state.traffic.step(now);
        state.traffic.take(&self.proxy, report, now)?;
        Ok(state.reporters.len())
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        let mut state = self.telemetry.lock();
        if state.reporters.get(&self.proxy) == Some(&self.number) {
            state.reporters.remove(&self.proxy);
            state.traffic.left(&self.proxy, Timestamp::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_reports_and_what_lives_goes_with_it() {
        let telemetry = Telemetry::default();
        let proxy = ProxyId::dataplane("default", "web-1");
        let report = |active, is_first| TrafficReport {
            started_us: 5,
            is_first,
            rows: vec![xds::proto::l4::TrafficRow {
                destination: "redis".into(),
                backend: "v1".into(),
                active,
                ..Default::default()
            }],
            left_out: 0,
            paths: None,
        };
        let active =
            || telemetry.page(&TrafficQuestion { size: 9, ..Default::default() }).items[0].counts.active;
        let first = telemetry.attach(proxy.clone());
        first.take(report(3, true)).unwrap();
        let second = telemetry.attach(proxy);
        second.take(report(4, true)).unwrap();
        // the end of the first is noticed late
        first.take(report(9, false)).unwrap();
        drop(first);
        assert_eq!(active(), 4);
        drop(second);
        assert_eq!(active(), 0);
    }
}
