//! Report about every proxy and every route, as a value: for `/status`, and to find out why a change is not live.
//!
//! A report has the size of the requested page, and is made in a time that grows with the proxies and with the routes
//! in their plans. Proxies that a route does not affect are counted, not listed.

mod concern;
mod proxies;
mod question;
mod routes;
mod served;

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::ProxyId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Revision;
use crate::compile::Compiled;
use crate::replica::{AttachedProxy, Replica};
use crate::rollout::Rollout;
use crate::status::TurnedAway;
pub use proxies::{ProxyRefusal, ProxyReport, ProxyState, ProxyTotals};
pub use question::{Question, Subject};
pub use routes::{RouteAtProxy, RouteReport, RouteState, RouteStateCounts, RouteTotals};
pub use served::{Served, ServedAll};

/// Proxies and routes of a control plane, and of all others on the same store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// Revision of the last adopted state of the resources; 0: none yet.
    pub revision: Revision,
    /// Epoch of the store that the revision belongs to: after a failover a revision may be another state than before.
    /// Absent: there is only one, or it is not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Arc<str>>,
    /// Progress of that state; absent: no state yet.
    pub rollout: Option<Rollout>,
    /// Control planes covered by the report, the one that was asked first. Empty: not reported.
    #[serde(default)]
    pub control_planes: Vec<ControlPlane>,
    /// Reason why nothing is known about proxies of other control planes on the store; absent: it is known, or there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_unknown: Option<String>,
    /// Totals of the selection, on all pages.
    #[serde(default)]
    pub totals: Totals,
    /// Page of proxies that have attached or have a Dataplane, by mesh and name.
    pub proxies: Vec<ProxyReport>,
    /// Page of route policies, by identity.
    pub routes: Vec<RouteReport>,
    /// Recently rejected clients, last first.
    #[serde(default)]
    pub turned_away: Vec<TurnedAway>,
}

/// Totals of proxies and routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Totals of proxies.
    pub proxies: ProxyTotals,
    /// Totals of route policies.
    pub routes: RouteTotals,
}

/// Control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// Name: `instanceId` in its API.
    pub name: Arc<str>,
    /// Revision that it applied last.
    pub revision: Revision,
    /// Number of proxies attached to it.
    pub attached: usize,
}

/// Input of a report.
#[derive(Clone, Debug)]
pub struct ReportInput<'a> {
    /// Control plane that is asked, with its own proxies.
    pub own: Replica,
    /// Other control planes on the same store.
    pub others: &'a [Replica],
    /// Reason why nothing is known of them; `None`: it is known, or there are none.
    pub others_unknown: Option<String>,
    /// Progress of the newest state everywhere; `None`: no state was adopted yet.
    pub rollout: Option<Rollout>,
    /// Configuration of every proxy.
    pub compiled: &'a Compiled,
}

/// Knowledge about one proxy, and its source.
struct Known<'a> {
    account: &'a AttachedProxy,
    /// Revision that its control plane applied last.
    taken_over: Revision,
    /// `true`: that is another state than the one in question, and the proxy's configuration was right for it.
    is_behind: bool,
    /// Its control plane; `None`: the one that is asked.
    elsewhere: Option<&'a Arc<str>>,
}

/// Builds the requested report from the configuration of proxies and their answers.
pub fn report(question: &Question, facts: &ReportInput<'_>) -> FleetReport {
    let ReportInput { own, others, others_unknown, rollout, compiled } = facts;
    let mut known: BTreeMap<&ProxyId, Known<'_>> = BTreeMap::new();
    for replica in std::iter::once(own).chain(*others) {
        let elsewhere = (!std::ptr::eq(replica, own)).then_some(&replica.name);
        for (proxy, account) in &replica.proxies {
            let is_behind = replica.epoch != own.epoch || replica.revision < own.revision;
            let new = Known { account, taken_over: replica.revision, is_behind, elsewhere };
            match known.get(proxy) {
                Some(old) if !new.account.status.counts_more(&old.account.status) => {}
                Some(_) | None => drop(known.insert(proxy, new)),
            }
        }
    }
    let (proxy_totals, proxies) = proxies::reports(question, compiled, &known);
    let (route_totals, routes) = routes::reports(question, compiled, &known);
    let control_plane = |replica: &Replica| ControlPlane {
        name: Arc::clone(&replica.name),
        revision: replica.revision,
        attached: replica.proxies.values().filter(|it| it.status.connection.is_some()).count(),
    };
    let mut turned_away: Vec<TurnedAway> =
        own.turned_away.iter().chain(others.iter().flat_map(|it| &it.turned_away)).cloned().collect();
    turned_away.sort_by_key(|it| std::cmp::Reverse(it.last));
    FleetReport {
        revision: own.revision,
        epoch: own.epoch.clone(),
        rollout: rollout.clone(),
        control_planes: std::iter::once(own).chain(*others).map(control_plane).collect(),
        others_unknown: others_unknown.clone(),
        totals: Totals { proxies: proxy_totals, routes: route_totals },
        proxies,
        routes,
        turned_away,
    }
}

impl Known<'_> {
    /// Returns `true` if the proxy runs its configuration of the state in question.
    fn is_in_sync(&self) -> bool {
        let status = &self.account.status;
        status.connection.is_some() && status.is_in_sync() && !self.is_behind
    }
}

#[cfg(test)]
mod tests;
