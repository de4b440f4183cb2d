//! Pages of traffic counters, as answers to queries.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plan::ProxyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConnectTimes, Counts, EARLY_BYTES, EARLY_TIME, Flow, FlowDirection, History, MergedFlow, Pace, STEP,
    Traffic,
};

/// Query of traffic counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficQuestion {
    /// Meaning of a row.
    pub by: GroupBy,
    /// Selection of rows.
    pub chosen: TrafficFilter,
    /// `true`: the busiest rows come first, instead of the first by name.
    pub busiest_first: bool,
    /// `true`: rows have their history of the last quarter of an hour.
    pub with_history: bool,
    /// Index of the first row of the page.
    pub offset: usize,
    /// Number of rows on a page; 0: only the total.
    pub size: usize,
}

/// Meaning of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// Flow over all proxies; of one proxy, if it is selected.
    #[default]
    Flow,
    /// Proxy over all its flows.
    Proxy,
}

/// Selection of rows; an absent criterion excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficFilter {
    /// Mesh of the rows.
    pub mesh: Option<String>,
    /// Policies that decide, as `Kind mesh/name`; empty: any.
    pub routes: BTreeSet<String>,
    /// Destination.
    pub destination: Option<String>,
    /// Proxy.
    pub proxy: Option<ProxyId>,
    /// Text contained in the policy, destination, backend or proxy.
    pub text: Option<String>,
}

/// Page of traffic counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPage {
    /// Time when counting began here.
    pub since: Timestamp,
    /// Time of the answer.
    pub at: Timestamp,
    /// Time between the samples of a history, in seconds.
    pub step_seconds: u64,
    /// Limit of an early reset: fewer bytes than this were sent to the client …
    pub early_bytes: u64,
    /// … or the connection was younger than this, in seconds.
    pub early_seconds: u64,
    /// Upper bounds of connect times, in microseconds.
    pub connect_time_bounds_us: Vec<u64>,
    /// Number of proxies that report, to any of the control planes. Others are not attached, or are Envoy, which
    /// reports no traffic.
    pub reporting: usize,
    /// Number of control planes on a store whose counters are included, with this one. Reports of others are at most a
    /// few seconds old.
    #[serde(default)]
    pub control_planes: usize,
    /// Number of rows, on all pages.
    pub total: usize,
    /// Rows of the page.
    pub items: Vec<TrafficRow>,
}

/// Row of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRow {
    /// Flow; absent: all flows of the proxy.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// Proxy; absent: all proxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub proxy: Option<ProxyId>,
    /// Number of proxies that have such connections.
    pub proxies: usize,
    /// Share of the backend by weight, 0 to 1, as last reported by a proxy; absent: no route names it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<f64>,
    /// Observed share of the backend, 0 to 1: of the connections of the last minute to all backends of the same split,
    /// or else of the live ones. Absent: there are neither, or it is not known for this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<f64>,
    /// Counters: of one proxy since it was started, of all since counting began here.
    pub counts: Counts,
    /// Rates of the last step; absent: known only for all proxies together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// History of the last quarter of an hour, if it was requested and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

impl TrafficRow {
    /// Row of all flows of one proxy, which reports or has left.
    pub(super) fn of_proxy(proxy: ProxyId, reports: bool, counts: Counts, pace: Pace) -> Self {
        Self {
            flow: None,
            proxy: Some(proxy),
            proxies: usize::from(reports),
            wanted: None,
            seen: None,
            counts,
            pace: Some(pace),
            history: None,
        }
    }
}

impl TrafficFilter {
    fn has(&self, flow: &Flow) -> bool {
        let is = |wanted: &Option<String>, said: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| said == Some(wanted))
        };
        is(&self.mesh, Some(&flow.mesh))
            && (self.routes.is_empty() || flow.route.as_deref().is_some_and(|it| self.routes.contains(it)))
            && is(&self.destination, Some(&flow.destination))
            && self.text.as_ref().is_none_or(|text| {
                let said = [flow.route.as_deref(), Some(&flow.destination), flow.backend.as_deref()];
                said.into_iter().flatten().any(|said| said.contains(text.as_str()))
            })
    }

    fn has_proxy(&self, proxy: &ProxyId) -> bool {
        self.proxy.as_ref().is_none_or(|wanted| wanted == proxy)
            && self.mesh.as_ref().is_none_or(|mesh| proxy.mesh() == &**mesh)
            && self.text.as_ref().is_none_or(|text| proxy.to_string().contains(text.as_str()))
    }
}

impl Traffic {
    /// Returns the requested page.
    pub fn page(&self, question: &TrafficQuestion, now: Timestamp) -> TrafficPage {
        self.page_beside(Vec::new(), question, now)
    }

    /// Returns the requested page, with rows of proxies of other control planes.
    pub(super) fn page_beside(
        &self,
        others: Vec<TrafficRow>,
        question: &TrafficQuestion,
        now: Timestamp,
    ) -> TrafficPage {
        let (total, items) = match (question.by, &question.chosen.proxy) {
            (GroupBy::Proxy, _) => self.by_proxy(others, question),
            (GroupBy::Flow, Some(proxy)) => self.of_proxy(proxy, question),
            (GroupBy::Flow, None) => self.by_flow(question),
        };
        TrafficPage {
            since: self.since(),
            at: now,
            step_seconds: STEP.as_secs(),
            early_bytes: EARLY_BYTES,
            early_seconds: EARLY_TIME.as_secs(),
            connect_time_bounds_us: ConnectTimes::BOUNDS.to_vec(),
            reporting: self.reporting(),
            control_planes: 1,
            total,
            items,
        }
    }

    fn by_flow(&self, question: &TrafficQuestion) -> (usize, Vec<TrafficRow>) {
        let mut all: Vec<_> = self.flows.iter().filter(|(flow, _)| question.chosen.has(flow)).collect();
        if question.busiest_first {
            all.sort_by_key(|(_, merged)| busy(&merged.pace, &merged.counts));
        }
        let splits = self.splits();
        told(&all, question, |(flow, merged)| TrafficRow {
            seen: splits.get(&split_of(flow)).and_then(|split| split.share(merged)),
            flow: Some(Flow::clone(flow)),
            proxy: None,
            proxies: merged.proxies,
            wanted: merged.wanted,
            counts: merged.counts.clone(),
            pace: Some(merged.pace),
            history: merged.history.clone().filter(|_| question.with_history),
        })
    }

    fn of_proxy(&self, proxy: &ProxyId, question: &TrafficQuestion) -> (usize, Vec<TrafficRow>) {
        let rows = self.proxies.get(proxy).map(|known| &known.rows).into_iter().flatten();
        let mut all: Vec<_> = rows.filter(|(flow, _)| question.chosen.has(flow)).collect();
        if question.busiest_first {
            all.sort_by_key(|(_, row)| busy(&Pace::default(), &row.counts));
        }
        told(&all, question, |(flow, row)| TrafficRow {
            flow: Some(Flow::clone(flow)),
            proxy: Some(proxy.clone()),
            proxies: 1,
            wanted: row.wanted,
            seen: None,
            counts: row.counts.clone(),
            pace: None,
            history: None,
        })
    }

    fn by_proxy(&self, others: Vec<TrafficRow>, question: &TrafficQuestion) -> (usize, Vec<TrafficRow>) {
        let own = self.proxies.iter().filter(|(_, known)| known.is_reporting() || !known.rows.is_empty());
        let own = own.map(|(proxy, known)| {
            TrafficRow::of_proxy(proxy.clone(), known.is_reporting(), known.sum.clone(), known.pace)
        });
        let mut all: Vec<TrafficRow> = own.chain(others).collect();
        all.retain(|row| row.proxy.as_ref().is_some_and(|proxy| question.chosen.has_proxy(proxy)));
        // a proxy that moved is reported by both control planes: the one that has it now goes first
        all.sort_by(|a, b| a.proxy.cmp(&b.proxy).then(b.proxies.cmp(&a.proxies)));
        all.dedup_by(|next, first| next.proxy == first.proxy);
        if question.busiest_first {
            all.sort_by_key(|row| busy(&row.pace.unwrap_or_default(), &row.counts));
        }
        told(&all, question, TrafficRow::clone)
    }
}

/// Key of a split, common to its backends: mesh, policy, destination and direction.
type SplitKey<'a> = (&'a str, Option<&'a str>, &'a str, FlowDirection);

fn split_of(flow: &Flow) -> SplitKey<'_> {
    (&flow.mesh, flow.route.as_deref(), &flow.destination, flow.direction)
}

/// Connections to all backends of a split.
#[derive(Default)]
struct Split {
    lately: f64,
    active: u64,
}

impl Split {
    fn share(&self, backend: &MergedFlow) -> Option<f64> {
        match (self.lately > 0.0, self.active) {
            (true, _) => Some(backend.lately() / self.lately),
            (false, 0) => None,
            (false, active) => Some(backend.counts.active as f64 / active as f64),
        }
    }
}

impl Traffic {
    fn splits(&self) -> BTreeMap<SplitKey<'_>, Split> {
        let mut splits: BTreeMap<SplitKey<'_>, Split> = BTreeMap::new();
        for (flow, merged) in &self.flows {
            let split = splits.entry(split_of(flow)).or_default();
            split.lately += merged.lately();
            split.active += merged.counts.active;
        }
        splits
    }
}

/// Sort key of the busiest first: by connections per second, then by live ones.
fn busy(pace: &Pace, counts: &Counts) -> Reverse<(u64, u64, u64)> {
    Reverse(((pace.opened * 1e3) as u64, counts.active, counts.opened))
}

fn told<T>(
    all: &[T],
    question: &TrafficQuestion,
    tell: impl Fn(&T) -> TrafficRow,
) -> (usize, Vec<TrafficRow>) {
    (all.len(), all.iter().skip(question.offset).take(question.size).map(tell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::{Bounds, Report, Row};

    fn traffic() -> Traffic {
        let mut traffic = Traffic::new(Bounds::default(), Timestamp::UNIX_EPOCH);
        for (name, opened) in [("a", 1), ("b", 9), ("c", 5)] {
            let flow = Flow {
                mesh: "shop".into(),
                route: Some(format!("MeshTCPRoute shop/{name}").into()),
                destination: "redis".into(),
                direction: FlowDirection::Outbound,
                backend: Some("v1".into()),
            };
            let counts = Counts { opened, ..Counts::default() };
            let row = Some(Row { wanted: None, counts });
            let report = Report {
                started: Timestamp::UNIX_EPOCH,
                is_first: true,
                rows: vec![(flow, row)],
                left_out: 0,
            };
            let proxy = ProxyId::dataplane("shop", &*format!("web-{name}"));
            traffic.take(&proxy, report, Timestamp::UNIX_EPOCH).unwrap();
        }
        traffic
    }

    #[test]
    fn what_is_seen_of_a_split_are_the_connections_of_the_last_minute() {
        let mut traffic = Traffic::new(Bounds::default(), Timestamp::UNIX_EPOCH);
        let flow = |backend: &str| Flow {
            mesh: "shop".into(),
            route: None,
            destination: "redis".into(),
            direction: FlowDirection::Outbound,
            backend: Some(backend.into()),
        };
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let take = |traffic: &mut Traffic, second: i64, opened: [u64; 2], active: [u64; 2]| {
            let rows = [0, 1].map(|side| {
                let counts = Counts { opened: opened[side], active: active[side], ..Counts::default() };
                (flow(["v1", "v2"][side]), Some(Row { wanted: Some(0.5), counts }))
            });
            let report = Report { started: at(0), is_first: false, rows: rows.into(), left_out: 0 };
            traffic.take(&ProxyId::dataplane("shop", "web-1"), report, at(second)).unwrap();
            traffic.step(at(second + 5));
            let question = TrafficQuestion { size: 10, ..TrafficQuestion::default() };
            let page = traffic.page(&question, at(second));
            page.items.iter().map(|row| row.seen).collect::<Vec<_>>()
        };
        assert_eq!(take(&mut traffic, 0, [0, 0], [0, 0]), [None, None]);
        assert_eq!(take(&mut traffic, 5, [30, 10], [1, 1]), [Some(0.75), Some(0.25)]);
        // a minute later only live connections are left
        let later = (2..20).map(|step| take(&mut traffic, 5 * step, [30, 10], [1, 1])).last().unwrap();
        assert_eq!(later, [Some(0.5), Some(0.5)]);
    }

    fn told(question: TrafficQuestion) -> (usize, Vec<u64>) {
        let page = traffic().page(&question, Timestamp::UNIX_EPOCH);
        // the serialized page can be parsed again
        let text = serde_json::to_string(&page).unwrap();
        assert_eq!(serde_json::from_str::<TrafficPage>(&text).unwrap(), page);
        (page.total, page.items.iter().map(|row| row.counts.opened).collect())
    }

    #[test]
    fn a_page_is_what_was_asked_for() {
        let all = || TrafficQuestion { size: 10, ..TrafficQuestion::default() };
        assert_eq!(told(all()), (3, vec![1, 9, 5]));
        assert_eq!(told(TrafficQuestion { size: 1, offset: 1, ..all() }), (3, vec![9]));
        assert_eq!(told(TrafficQuestion { busiest_first: true, size: 2, ..all() }), (3, vec![9, 5]));
        assert_eq!(told(TrafficQuestion { by: GroupBy::Proxy, ..all() }), (3, vec![1, 9, 5]));
        let chosen = |chosen| TrafficQuestion { chosen, ..all() };
        let routes = ["a", "c"].map(|name| format!("MeshTCPRoute shop/{name}")).into();
        assert_eq!(told(chosen(TrafficFilter { routes, ..TrafficFilter::default() })), (2, vec![1, 5]));
        let proxy = Some(ProxyId::dataplane("shop", "web-b"));
        assert_eq!(told(chosen(TrafficFilter { proxy, ..TrafficFilter::default() })), (1, vec![9]));
        let mesh = Some("other".to_owned());
        assert_eq!(told(chosen(TrafficFilter { mesh, ..TrafficFilter::default() })), (0, vec![]));
        let text = Some("shop/a".to_owned());
        assert_eq!(told(chosen(TrafficFilter { text, ..TrafficFilter::default() })), (1, vec![1]));
    }
}
