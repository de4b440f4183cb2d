//! What is counted at all control planes on a store: each tells the others its sums, and adds theirs to its own.
//!
//! To the sums over all, a control plane is what a proxy is to those of one: it says what was counted since it began. So rates,
//! histories and shares are the same whoever is asked, as far as what was told is new: a sum is told each [`STEP`](super::STEP).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use plan::ProxyId;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{By, Counts, Flow, Pace, Report, Row, Traffic, TrafficPage, TrafficQuestion, TrafficRow};

/// Over how many parts what is told is spread: one of which nothing has moved is not told again.
const PARTS: u64 = 32;
/// How many flows, and how many proxies, are told at most: the first by name.
const TOLD: usize = 4_096;

/// A part of what a control plane tells the others, by a name that it keeps.
pub type ToldParts = BTreeMap<String, Arc<ToldPart>>;

/// A part of what a control plane tells the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldPart {
    /// When it began to count.
    started: Timestamp,
    flows: Vec<ToldFlow>,
    proxies: Vec<ToldProxy>,
}

/// A flow over all proxies of a control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToldFlow {
    flow: Flow,
    #[serde(default)]
    wanted: Option<f64>,
    proxies: usize,
    counts: Counts,
}

/// A proxy of a control plane over all its flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ToldProxy {
    proxy: ProxyId,
    reports: bool,
    counts: Counts,
    pace: Pace,
}

impl Traffic {
    /// What others are told.
    pub fn told(&self) -> ToldParts {
        let mut parts: BTreeMap<u64, ToldPart> = BTreeMap::new();
        let empty = || ToldPart { started: self.since(), flows: Vec::new(), proxies: Vec::new() };
        let of = |name: &str| xxh3_64(name.as_bytes()) % PARTS;
        // who has counted nothing yet says so: what it counts from then on is new
        parts.insert(0, empty());
        for (flow, merged) in self.flows.iter().take(TOLD) {
            let Flow { mesh, route, destination, direction: _, backend: _ } = &**flow;
            // the backends of a split move together
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

/// What is counted at all control planes on a store.
#[derive(Clone, Debug)]
pub struct Everywhere {
    /// In which each control plane counts as a proxy.
    sums: Traffic,
    /// What others told, by their names.
    others: BTreeMap<Arc<str>, ToldParts>,
}

/// This control plane, as a proxy of the sums.
fn this() -> ProxyId {
    ProxyId::dataplane("this", "this")
}

/// Another one.
fn other(name: &str) -> ProxyId {
    ProxyId::dataplane("other", name)
}

impl Everywhere {
    /// What was counted here so far, and nothing of others yet.
    pub fn beginning_with(own: &Traffic) -> Self {
        Self { sums: own.as_sums_of(this()), others: BTreeMap::new() }
    }

    /// Takes what the others have told that live, and what was counted here. What one counted that is gone stays in the sums.
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

    /// Takes what was counted here.
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
        // what it says after it was forgotten was counted who knows when
        let is_first = known.is_none_or(|known| !known.is_reporting() && known.rows.is_empty());
        let gone =
            known.into_iter().flat_map(|known| known.rows.keys()).filter(|flow| !told.contains(&***flow));
        let gone: Vec<_> = gone.map(|flow| (Flow::clone(flow), None)).collect();
        rows.extend(gone);
        // what does not fit is left out, as it is of proxies
        let _ = self.sums.take(who, Report { started, is_first, rows, left_out: 0 }, now);
    }

    /// The page that is asked for. Rows of one proxy are those of this control plane: others are told sums.
    pub fn page(&mut self, own: &Traffic, question: &TrafficQuestion, now: Timestamp) -> TrafficPage {
        let mut page = match (question.by, &question.chosen.proxy) {
            (By::Proxy, _) => {
                let others = told(&self.others).flat_map(|part| &part.proxies).map(
                    |ToldProxy { proxy, reports, counts, pace }| {
                        TrafficRow::of_proxy(proxy.clone(), *reports, counts.clone(), *pace)
                    },
                );
                own.page_beside(others.collect(), question, now)
            }
            (By::Flow, Some(_)) => own.page(question, now),
            (By::Flow, None) => {
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

/// All parts that others told.
fn told(others: &BTreeMap<Arc<str>, ToldParts>) -> impl Iterator<Item = &ToldPart> + Clone {
    others.values().flat_map(BTreeMap::values).map(|part| &**part)
}

fn row(wanted: Option<f64>, counts: &Counts) -> Option<Row> {
    Some(Row { wanted, counts: counts.clone() })
}

#[cfg(test)]
mod tests;
