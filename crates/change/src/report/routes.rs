//! Report about route policies: the number of proxies at which each is live, and those where it is not.

use std::collections::{BTreeMap, HashMap};

use model::{Kind, Resource};
use plan::{Outcome, Plan, ProxyId, RouteStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::concern::concerned;
use super::{Known, Question, Subject};
use crate::compile::Compiled;
use crate::status::{ProxyStatus, Rejection};

/// Limit on the listed proxies of a route.
const NAMED: usize = 100;

/// Report about one route policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteReport {
    /// Policy, as `Kind mesh/name`.
    pub policy: String,
    /// Source: `file:line`.
    pub source: String,
    /// Number of proxies by reach; all 0: it selects no proxy.
    #[serde(default)]
    reached: RouteStateCounts,
    /// First 100 proxies at which it decides something; those where it is not live come first.
    #[serde(default)]
    pub proxies: Vec<RouteAtProxy>,
}

/// Route policy at one proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteAtProxy {
    /// Proxy, as `mesh/name`.
    #[schemars(with = "String")]
    pub proxy: ProxyId,
    /// Outbounds and gateway listeners that it decides.
    #[serde(default)]
    pub decides: Vec<String>,
    /// Reach there.
    pub reach: RouteState,
    /// Refusals of the proxy, in its own words.
    #[serde(default)]
    pub refusals: Vec<String>,
    /// BackendRefs that cannot be used, with the reason.
    #[serde(default)]
    pub unresolved: Vec<String>,
}

/// Reach of a route at one proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RouteState {
    /// The proxy runs it.
    Live,
    /// It was sent to the proxy, which has not answered yet.
    Pending,
    /// The proxy refuses it, and runs its previous configuration.
    Refused,
    /// The proxy is not attached.
    Detached,
    /// It decides nothing there: another policy does, or its destination is not dialled.
    WithoutEffect,
}

model::words! {
    /// Name of the reach; the best is the first.
    RouteState {
        Live: "live",
        Pending: "pending",
        Refused: "refused",
        Detached: "detached",
        WithoutEffect: "without-effect",
    }
}

impl RouteState {
    /// Sort key: values that may need action come first.
    fn urgency(self) -> u8 {
        match self {
            RouteState::Refused => 0,
            RouteState::Pending => 1,
            RouteState::Detached => 2,
            RouteState::Live => 3,
            RouteState::WithoutEffect => 4,
        }
    }
}

/// Number of proxies of a route, by reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteStateCounts {
    live: usize,
    pending: usize,
    refused: usize,
    detached: usize,
    without_effect: usize,
}

impl RouteStateCounts {
    /// Number of proxies with this reach.
    pub fn count(&self, reach: RouteState) -> usize {
        match reach {
            RouteState::Live => self.live,
            RouteState::Pending => self.pending,
            RouteState::Refused => self.refused,
            RouteState::Detached => self.detached,
            RouteState::WithoutEffect => self.without_effect,
        }
    }

    /// Number of all proxies; 0: the route selects no proxy.
    pub fn total(&self) -> usize {
        RouteState::ALL.into_iter().map(|reach| self.count(reach)).sum()
    }

    fn add(&mut self, reach: RouteState) {
        *match reach {
            RouteState::Live => &mut self.live,
            RouteState::Pending => &mut self.pending,
            RouteState::Refused => &mut self.refused,
            RouteState::Detached => &mut self.detached,
            RouteState::WithoutEffect => &mut self.without_effect,
        } += 1;
    }
}

impl RouteReport {
    /// Number of proxies by reach.
    pub fn reached(&self) -> RouteStateCounts {
        if self.reached.total() > 0 {
            return self.reached;
        }
        // an older control plane lists all, without numbers
        let mut reached = RouteStateCounts::default();
        self.proxies.iter().for_each(|at| reached.add(at.reach));
        reached
    }
}

/// Numbers of route policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteTotals {
    /// Number of all route policies.
    pub total: usize,
    /// Route policies that select no proxy.
    pub selecting_nobody: usize,
    /// Route policies that a proxy refuses.
    pub refused: usize,
}

/// Route, with the results so far.
struct Tally<'a> {
    title: String,
    source: String,
    reached: RouteStateCounts,
    /// Proxies at which it decides something.
    at: Vec<(RouteState, &'a ProxyId, &'a RouteStatus, &'a Plan)>,
}

pub(super) fn reports(
    question: &Question,
    compiled: &Compiled,
    known: &BTreeMap<&ProxyId, Known<'_>>,
) -> (RouteTotals, Vec<RouteReport>) {
    if !question.is_of(Subject::Routes) {
        return Default::default();
    }
    let mut routes: Vec<(String, &Resource)> = Vec::new();
    for kind in [Kind::MeshTCPRoute, Kind::MeshHTTPRoute] {
        for route in compiled.snapshot.of_kind(kind) {
            let meta = route.meta();
            let title = || format!("{kind} {}/{}", meta.mesh, meta.display_name());
            if question.wants_route(meta.mesh.as_str(), title) {
                routes.push((title(), route));
            }
        }
    }
    routes.sort_by(|(a, one), (b, other)| (a, &one.meta().name).cmp(&(b, &other.meta().name)));
    let mut index: HashMap<(Kind, &str, &str), usize> = HashMap::with_capacity(routes.len());
    let mut tallies: Vec<Tally<'_>> = Vec::with_capacity(routes.len());
    for (title, route) in routes {
        let meta = route.meta();
        index.insert((route.kind(), meta.mesh.as_str(), meta.name.as_str()), tallies.len());
        let source = meta.source.to_string();
        tallies.push(Tally { title, source, reached: RouteStateCounts::default(), at: Vec::new() });
    }
    for (proxy, found) in &compiled.proxies {
        let known = known.get(proxy);
        for route in &found.plan.routes {
            let key = (route.kind, route.policy.policy.mesh.as_str(), route.policy.name.as_str());
            let Some(tally) = index.get(&key).and_then(|at| tallies.get_mut(*at)) else { continue };
            let reach = reach(&found.plan, route, known);
            tally.reached.add(reach);
            if reach != RouteState::WithoutEffect {
                tally.at.push((reach, proxy, route, &found.plan));
            }
        }
    }
    let totals = RouteTotals {
        total: tallies.len(),
        selecting_nobody: tallies.iter().filter(|it| it.reached.total() == 0).count(),
        refused: tallies.iter().filter(|it| it.reached.refused > 0).count(),
    };
    let page = question.page();
    let shown = tallies.into_iter().skip(page.start).take(page.len());
    let report = |Tally { title, source, reached, mut at }: Tally<'_>| {
        // stable: by name among equals
        at.sort_by_key(|(reach, ..)| reach.urgency());
        let named = at.into_iter().take(NAMED);
        let proxies = named.map(|(reach, proxy, route, plan)| {
            at_proxy(plan, route, proxy, reach, known.get(proxy).map(|known| &known.account.status))
        });
        RouteReport { policy: title, source, reached, proxies: proxies.collect() }
    };
    (totals, shown.map(report).collect())
}

/// Refusals of a proxy that affect the listeners a route decides there.
fn touching<'a>(
    plan: &'a Plan,
    route: &'a RouteStatus,
    status: &'a ProxyStatus,
) -> impl Iterator<Item = &'a Rejection> {
    let touches = |rejection: &&Rejection| {
        concerned(plan, &rejection.name).iter().any(|listener| route.decides.contains(listener))
    };
    status.refusals().iter().filter(touches)
}

fn reach(plan: &Plan, route: &RouteStatus, known: Option<&Known<'_>>) -> RouteState {
    if route.outcome != Outcome::Applied {
        return RouteState::WithoutEffect;
    }
    let Some(known) = known else { return RouteState::Detached };
    let status = &known.account.status;
    match () {
        () if touching(plan, route, status).next().is_some() => RouteState::Refused,
        () if status.connection.is_none() => RouteState::Detached,
        () if known.is_in_sync() || !status.refusals().is_empty() => RouteState::Live,
        () => RouteState::Pending,
    }
}

fn at_proxy(
    plan: &Plan,
    route: &RouteStatus,
    key: &ProxyId,
    reach: RouteState,
    status: Option<&ProxyStatus>,
) -> RouteAtProxy {
    let words = |status| touching(plan, route, status).map(|it| it.message.trim_end().to_owned()).collect();
    RouteAtProxy {
        proxy: key.clone(),
        decides: route.decides.clone(),
        reach,
        refusals: status.map(words).unwrap_or_default(),
        unresolved: route.unresolved.iter().map(|(reference, why)| format!("{reference}: {why}")).collect(),
    }
}
