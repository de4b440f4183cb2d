//! How every proxy and every route is, as a value: for `/status`, and for whoever asks why a change is not live.
//!
//! A report is as large as the page that was asked for, and is made in a time that grows with the proxies and with what
//! their plans say of routes. What a route does not touch is counted, not listed.

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
use crate::replica::{Account, Replica};
use crate::rollout::Rollout;
use crate::status::TurnedAway;
pub use proxies::{ProxyReport, ProxyState, ProxyTotals, Refusal};
pub use question::{Question, Subject};
pub use routes::{Reach, Reached, RouteAtProxy, RouteReport, RouteTotals};
pub use served::{Served, ServedAll};

/// The proxies and the routes of a control plane, and of all others on the same store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetReport {
    /// The state of the resources that was adopted last; 0: none yet.
    pub revision: Revision,
    /// Which life of the store the revision is of: after a failover a revision may be another state than before. Absent: the
    /// store has one only, or does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Arc<str>>,
    /// How far that state has come; absent before the first.
    pub rollout: Option<Rollout>,
    /// The control planes that this is told of: the one that was asked first. Empty where it does not say.
    #[serde(default)]
    pub control_planes: Vec<ControlPlane>,
    /// Why nothing is known of what is attached to other control planes on the store; absent: it is known, or there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others_unknown: Option<String>,
    /// How many there are of what was asked for, on all pages.
    #[serde(default)]
    pub totals: Totals,
    /// The page of the proxies that have attached or have a Dataplane, by mesh and name.
    pub proxies: Vec<ProxyReport>,
    /// The page of the route policies, by identity.
    pub routes: Vec<RouteReport>,
    /// Who wanted to attach lately and was turned away, the last first.
    #[serde(default)]
    pub turned_away: Vec<TurnedAway>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Proxies.
    pub proxies: ProxyTotals,
    /// Route policies.
    pub routes: RouteTotals,
}

/// A control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// Its name: what its API calls `instanceId`.
    pub name: Arc<str>,
    /// The revision that it has taken over last.
    pub revision: Revision,
    /// How many proxies are attached to it.
    pub attached: usize,
}

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The control plane that is asked, with its own proxies.
    pub own: Replica,
    /// The others on the same store.
    pub others: &'a [Replica],
    /// Why nothing is known of them; `None`: it is known, or there are none.
    pub others_unknown: Option<String>,
    /// How far the newest state has come everywhere; `None`: nothing was adopted yet.
    pub rollout: Option<Rollout>,
    /// What every proxy should run.
    pub compiled: &'a Compiled,
}

/// What is known of one proxy, and by whom.
struct Known<'a> {
    account: &'a Account,
    /// The revision that its control plane has taken over last.
    taken_over: Revision,
    /// Whether that is another state than the one that is asked about: its proxies were told what was right before.
    is_behind: bool,
    /// That control plane, where it is another one than the one that is asked.
    elsewhere: Option<&'a Arc<str>>,
}

/// Puts together what was asked for of what proxies were told and what they answered.
pub fn report(question: &Question, facts: &Facts<'_>) -> FleetReport {
    let Facts { own, others, others_unknown, rollout, compiled } = facts;
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
    /// Whether the proxy runs what it should by the state that is asked about.
    fn is_in_sync(&self) -> bool {
        let status = &self.account.status;
        status.connection.is_some() && status.is_in_sync() && !self.is_behind
    }
}

#[cfg(test)]
mod tests;
