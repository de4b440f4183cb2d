//! Traffic of all control planes on a store: each reports its sums to the others, and adds theirs to its own.
//!
//! In the sums over all, a control plane has the role that a proxy has in those of one: it reports its counters since
//! it began. So rates, histories and shares are the same at each of them, as far as reports are recent: sums are
//! reported each [`STEP`](super::STEP).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use plan::ProxyId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Counts, Flow, GroupBy, Pace, Report, Row, Traffic, TrafficPage, TrafficQuestion, TrafficRow};

/// Number of parts of a report: an unchanged part is not sent again.
const PARTS: u64 = 32;
/// Limit on reported flows, and on reported proxies: the first by name.
const TOLD: usize = 4_096;

/// Parts of a control plane's report to the others, by stable names.
pub type ToldParts = BTreeMap<String, Arc<ToldPart>>;

/// Part of a control plane's report to the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldPart {
    /// Time when it began to count.
    started: Timestamp,
    flows: Vec<ToldFlow>,
    proxies: Vec<ToldProxy>,
}

/// Flow over all proxies of a control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToldFlow {
    flow: Flow,
    #[serde(default)]
    wanted: Option<f64>,
    proxies: usize,
    counts: Counts,
}

/// Proxy of a control plane over all its flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToldProxy {
    proxy: ProxyId,
    reports: bool,
    counts: Counts,
    pace: Pace,
}

impl Traffic {
    /// Report to the others.
    pub fn told(&self) -> ToldParts {
        let mut parts: BTreeMap<u64, ToldPart> = BTreeMap::new();
        let empty = || ToldPart { started: self.since(), flows: Vec::new(), proxies: Vec::new() };
        let of = |name: &str| xxh3_64(name.as_bytes()) % PARTS;
        // a report is sent even if nothing was counted: later counts are then known to be new
        parts.insert(0, empty());
        for (flow, merged) in self.flows.iter().take(TOLD) {
            let Flow { mesh, route, destination, direction: _, backend: _ } = &**flow;
            // the backends of a split stay in one part
            let name = format!("{mesh} {destination} {}", route.as_deref().unwrap_or_default());
            parts.entry(of(&name)).or_insert_with(empty).flows.push(ToldFlow {
                flow: Flow::clone(flow),
                wanted: merged.wanted,
                proxies: merged.proxies,
                counts: merged.counts.clone(),
            });
        }
        for (proxy, known) in self.proxies.iter().take(TOLD) {
            let (reports, counts, pace) = (known.is_reporting(), known.sum.clone(), known.pace);
            let part = parts.entry(of(&proxy.to_string())).or_insert_with(empty);
            part.proxies.push(ToldProxy { proxy: proxy.clone(), reports, counts, pace });
        }
        parts.into_iter().map(|(number, part)| (format!("{number:02}"), Arc::new(part))).collect()
    }
}

/// Traffic of all control planes on a store.
#[derive(Clone, Debug)]
pub struct GlobalTraffic {
    /// Sums, in which each control plane counts as a proxy.
    sums: Traffic,
    /// Reports of others, by their names.
    others: BTreeMap<Arc<str>, ToldParts>,
}

/// This control plane, as a proxy of the sums.
fn this() -> ProxyId {
    ProxyId::dataplane("this", "this")
}

/// Another control plane, as a proxy of the sums.
fn other(name: &str) -> ProxyId {
    ProxyId::dataplane("other", name)
}

impl GlobalTraffic {
    /// Starts with the counters of this control plane, without those of others.
    pub fn beginning_with(own: &Traffic) -> Self {
        Self { sums: own.as_sums_of(this()), others: BTreeMap::new() }
    }

    /// Takes the reports of live control planes, and the own counters. Counters of a control plane that is gone stay in
    /// the sums.
    pub fn hear(&mut self, own: &Traffic, others: BTreeMap<Arc<str>, ToldParts>, now: Timestamp) {
        self.look(own, now);
        let gone = self.others.keys().filter(|name| !others.contains_key(*name));
        gone.for_each(|name| self.sums.left(&other(name), now));
        for (name, parts) in &others {
            let Some(started) = parts.values().map(|part| part.started).next() else { continue };
            let flows = parts.values().flat_map(|part| &part.flows);
            let rows = flows.map(|told| (told.flow.clone(), row(told.wanted, &told.counts)));
            self.take(&other(name), started, rows.collect(), now);
        }
        self.others = others;
        self.sums.step(now);
    }

    /// Takes the own counters.
    fn look(&mut self, own: &Traffic, now: Timestamp) {
        let rows = own.flows.iter().map(|(flow, it)| (Flow::clone(flow), row(it.wanted, &it.counts)));
        self.take(&this(), own.since(), rows.collect(), now);
    }

    fn take(
        &mut self,
        who: &ProxyId,
        started: Timestamp,
        mut rows: Vec<(Flow, Option<Row>)>,
        now: Timestamp,
    ) {
        let told: BTreeSet<&Flow> = rows.iter().map(|(flow, _)| flow).collect();
        let known = self.sums.proxies.get(who);
        // it is unknown when the counts of a forgotten one were made
        let is_first = known.is_none_or(|known| !known.is_reporting() && known.rows.is_empty());
        let gone =
            known.into_iter().flat_map(|known| known.rows.keys()).filter(|flow| !told.contains(&***flow));
        let gone: Vec<_> = gone.map(|flow| (Flow::clone(flow), None)).collect();
        rows.extend(gone);
        // rows beyond the limits are left out, as those of proxies are
        let _ = self.sums.take(who, Report { started, is_first, rows, left_out: 0 }, now);
    }

    /// Returns the requested page. Rows of one proxy are those of this control plane: others report only sums.
    pub fn page(&mut self, own: &Traffic, question: &TrafficQuestion, now: Timestamp) -> TrafficPage {
        let mut page = match (question.by, &question.chosen.proxy) {
            (GroupBy::Proxy, _) => {
                let others = told(&self.others).flat_map(|part| &part.proxies).map(
                    |ToldProxy { proxy, reports, counts, pace }| {
                        TrafficRow::of_proxy(proxy.clone(), *reports, counts.clone(), *pace)
                    },
                );
                own.page_beside(others.collect(), question, now)
            }
            (GroupBy::Flow, Some(_)) => own.page(question, now),
            (GroupBy::Flow, None) => {
                self.look(own, now);
                self.sums.step(now);
                let mut page = self.sums.page(question, now);
                for TrafficRow { flow, proxies, wanted, .. } in &mut page.items {
                    let Some(flow) = flow.as_ref() else { continue };
                    let here = own.of(flow);
                    let elsewhere =
                        told(&self.others).flat_map(|part| &part.flows).filter(|it| it.flow == *flow);
                    *wanted = here.and_then(|it| it.wanted).or(elsewhere.clone().find_map(|it| it.wanted));
                    *proxies =
                        here.map_or(0, |it| it.proxies) + elsewhere.map(|it| it.proxies).sum::<usize>();
                }
                page
            }
        };
        let elsewhere = told(&self.others).flat_map(|part| &part.proxies).filter(|it| it.reports);
        page.reporting = own.reporting() + elsewhere.count();
        page.control_planes = 1 + self.others.len();
        page
    }
}

/// All parts of other control planes.
fn told(others: &BTreeMap<Arc<str>, ToldParts>) -> impl Iterator<Item = &ToldPart> + Clone {
    others.values().flat_map(BTreeMap::values).map(|part| &**part)
}

fn row(wanted: Option<f64>, counts: &Counts) -> Option<Row> {
    Some(Row { wanted, counts: counts.clone() })
}

#[cfg(test)]
mod tests;
