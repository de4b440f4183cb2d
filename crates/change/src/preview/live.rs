//! Open connections, and the effect of a route change on them: computed by the functions that proxies use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use l4::balance::Draw;
use l4::config::{Existing, Listener, Route};
use l4::decide::{Addresses, AllWell, Facts, RouteIndex};
use l4::existing::{ClosableConnection, Drain, Established, Fate, Shares, fate};
use plan::{OnWeightChange, ProxyId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compile::without_kind;

/// Open connections of listeners, by proxy and the listener's name in the plan.
pub type OpenConnections = BTreeMap<(ProxyId, String), LiveConnections>;

/// Open connections of one listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveConnections {
    /// Connections.
    pub open: Vec<LiveConnection>,
    /// Age of the count, in seconds.
    pub age_seconds: f64,
}

/// Open connection, as reported by its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConnection {
    /// Client address.
    pub client: SocketAddr,
    /// TLS server name that it asked for, in lower case, where the listener routes by it.
    pub server_name: Option<String>,
    /// URI names in the client's certificate, in their order; `None`: plaintext.
    pub peer: Option<Vec<String>>,
    /// Backend that it was carried to: the backendRef without its kind, as in
    /// [`BackendShare::backend`](crate::compile::BackendShare).
    pub backend: String,
    /// Backend that was chosen first, in the same form; `None`: `backend`.
    pub first_backend: Option<String>,
    /// Draw at its routing, in units of 2⁻⁶⁴; `None`: unknown.
    pub draw: Option<u64>,
}

/// Effect of a change on the open connections of one listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Affected {
    /// Setting that decides.
    pub existing: OnWeightChange,
    /// Number of open connections.
    pub open: u64,
    /// Number of connections above the share that their backend would have.
    pub above_share: u64,
    /// Number of connections that would be closed, including those after the grace period of a removed backend.
    pub closed: u64,
    /// Age of the count, in seconds.
    pub age_seconds: f64,
}

/// Present shares of a route, and the clusters of its connections.
type Groups = BTreeMap<usize, (Shares, Vec<String>)>;

impl Affected {
    /// Effect on `live` connections when `after` replaces `before`; `None`: there is no such listener. All endpoints
    /// are assumed to be healthy: only the proxy knows their health.
    pub(super) fn of(before: Option<&Listener>, after: Option<&Listener>, live: &LiveConnections) -> Self {
        let LiveConnections { open, age_seconds } = live;
        let mut affected = Self {
            existing: OnWeightChange::Keep,
            open: open.len() as u64,
            above_share: 0,
            closed: 0,
            age_seconds: *age_seconds,
        };
        // connections of a removed listener end by themselves
        let Some(after) = after else { return affected };
        let standings = AllWell { listener: after, turn: 0 };
        let addresses = Addresses::default();
        let (mut all, mut draining) = (Groups::new(), Groups::new());
        for connection in open {
            let server_name = connection.server_name.as_deref();
            let facts = Facts { client: connection.client, server_name, destination: None };
            let route_in = |listener: &'_ Listener| listener.route_at(listener.route_for(&facts)?).cloned();
            let Some((index, route)) = after.route_for(&facts).zip(route_in(after)) else { continue };
            let was = before.and_then(route_in);
            let cluster = cluster_of(&connection.backend, [was.as_deref(), Some(&route)]);
            let first = connection.first_backend.as_deref().unwrap_or(&connection.backend);
            let drawn = cluster_of(first, [was.as_deref(), Some(&route)]);
            let established =
                Established { facts, draw: connection.draw.map(Draw), cluster: &cluster, drawn: &drawn };
            let (shares, shares_before) = (Shares::of(&route), was.as_deref().map(Shares::of));
            affected.existing = setting(route.existing);
            let fate =
                fate(&established, shares_before.as_ref(), after, &route, &shares, (&standings, &addresses));
            match fate {
                Fate::Unmoved | Fate::Kept => {}
                Fate::Grace(_) | Fate::Closes(_) => affected.closed += 1,
                Fate::Drains => add(&mut draining, index, &shares, cluster.clone()),
            }
            add(&mut all, index, &shares, cluster);
        }
        affected.above_share = excess(&all);
        affected.closed += excess(&draining);
        affected
    }
}

/// Setting of a route, as its label says it.
fn setting(existing: Existing) -> OnWeightChange {
    match existing {
        Existing::Keep => OnWeightChange::Keep,
        Existing::DrainExcess => OnWeightChange::DrainExcess,
        Existing::Close => OnWeightChange::Close,
    }
}

fn add(groups: &mut Groups, RouteIndex(route): RouteIndex, shares: &Shares, cluster: String) {
    groups.entry(route).or_insert_with(|| (shares.clone(), Vec::new())).1.push(cluster);
}

/// Number of connections above the shares of their clusters.
fn excess(groups: &Groups) -> u64 {
    let of = |(shares, clusters): &(Shares, Vec<String>)| {
        let drain = Drain::towards(shares, clusters.iter().map(String::as_str));
        let living = clusters.iter().zip(0..).map(|(cluster, key)| ClosableConnection {
            key,
            cluster,
            idle: Duration::ZERO,
        });
        drain.choose(living.collect(), usize::MAX).len() as u64
    };
    groups.values().map(of).sum()
}

/// Cluster of a backendRef in words, by the first route that has it; without any, the words themselves.
fn cluster_of(backend: &str, routes: [Option<&Route>; 2]) -> String {
    let backends = routes.into_iter().flatten().flat_map(|route| &route.backends);
    let found = backends.into_iter().find(|it| without_kind(&it.reference) == backend);
    found.map_or(backend, |found| found.cluster_name()).to_owned()
}
