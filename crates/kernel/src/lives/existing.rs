//! Live connections when the weights of their route change: see [`l4::existing`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use l4::config::{Listener, Route};
use l4::decide::{Addresses, ClusterState, ClusterStates, Facts};
use l4::direct::Direct;
use l4::ending::Ending;
use l4::existing::{Drain, Established, Fate, Shares, after_grace, fate, pause};

use super::{Due, Life, Lives, RouteDrain, cluster_of};
use crate::path::client_of;
use crate::serving::Serving;

/// Listener whose rules changed.
pub(crate) struct ChangedListener {
    pub(crate) before: Arc<Listener>,
    pub(crate) now: Arc<Listener>,
}

/// Route that is drained: the shares of its backends, and the clusters of its live connections.
type Group = (Shares, Vec<Arc<str>>);

/// Clusters of a listener in their current state.
struct CurrentClusters<'a> {
    listener: &'a Listener,
    serving: &'a Serving<'a>,
}

impl ClusterStates for CurrentClusters<'_> {
    fn ask<A>(
        &self,
        route: l4::decide::RouteIndex,
        backend: usize,
        question: impl FnOnce(&ClusterState<'_>) -> A,
    ) -> Option<A> {
        let (_, cluster) = self.listener.route_at(route)?.backend_with_cluster(backend)?;
        let roster = (self.serving.roster)(&self.listener.proxy, cluster);
        Some(question(&ClusterState { roster: &roster, turn: 0, load: &|_| 0 }))
    }
}

impl CurrentClusters<'_> {
    /// Returns `true` if any endpoint of a backend can be dialled.
    fn takes(&self, route: l4::decide::RouteIndex, backend: usize) -> bool {
        let cluster = self.listener.route_at(route).and_then(|route| route.backend_with_cluster(backend));
        let Some((_, cluster)) = cluster else { return false };
        let addresses = self.serving.addresses;
        let dials = |standing: &ClusterState<'_>| {
            cluster.walk(standing.roster, 0, 0, addresses, None).next().is_some()
        };
        self.ask(route, backend, dials).unwrap_or(false)
    }
}

impl Lives {
    /// Checks every connection of listeners whose rules changed, and returns those that have to end at once.
    pub(crate) fn follow(
        &mut self,
        changes: &[ChangedListener],
        serving: &Serving<'_>,
        now: Instant,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for ChangedListener { before, now: after } in changes {
            let listener = (after.proxy.clone(), Arc::clone(&after.name));
            let standings = CurrentClusters { listener: after, serving };
            let mut draining: BTreeMap<Arc<str>, Group> = BTreeMap::new();
            for (cookie, life) in &mut self.lives {
                let of = &life.connection.listener;
                if (&of.proxy, &of.name) != (&listener.0, &listener.1) {
                    continue;
                }
                let facts = facts(&life.connection);
                let Some(index) = after.route_for(&facts) else { continue };
                let Some(route) = after.route_at(index) else { continue };
                let shares = Shares::of(route);
                let Some(fate) =
                    fate_of(life, facts, before, (&standings, serving.addresses), route, &shares)
                else {
                    continue;
                };
                if !matches!(fate, Fate::Grace(_)) {
                    life.close_at = None;
                }
                match fate {
                    Fate::Unmoved => {}
                    Fate::Kept => {
                        self.drains.retain(|it| (&it.listener, &it.route) != (&listener, &route.name));
                    }
                    Fate::Grace(grace) => {
                        let after = after_grace(grace, self.chance.u64(..));
                        life.close_at.get_or_insert(now + after);
                    }
                    Fate::Closes(why) => due.extend(Due::of(*cookie, &life.connection, Ending::Moved, &why)),
                    Fate::Drains => {
                        let takes = |backend: usize| standings.takes(index, backend);
                        let group = draining.entry(Arc::clone(&route.name));
                        let group = group.or_insert_with(|| (Shares::in_effect(route, takes), Vec::new()));
                        group.1.extend(cluster_of(&life.connection, life.connection.backend).map(Arc::from));
                    }
                }
            }
            for (route, (shares, clusters)) in draining {
                let drain = Drain::towards(&shares, clusters.iter().map(|cluster| &**cluster));
                self.drains.retain(|it| (&it.listener, &it.route) != (&listener, &route));
                let born_before = serving.generation;
                self.drains.push(RouteDrain { listener: listener.clone(), route, born_before, drain });
            }
        }
        if !self.drains.is_empty() && self.next_turn.is_none() {
            self.next_turn = Some(now + pause(self.chance.u64(..)));
        }
        due
    }
}

fn fate_of(
    life: &Life,
    facts: Facts<'_>,
    before: &Listener,
    (standings, addresses): (&CurrentClusters<'_>, &Addresses),
    route: &Route,
    shares: &Shares,
) -> Option<Fate> {
    let connection = &life.connection;
    let cluster = cluster_of(connection, connection.backend)?;
    let drawn = cluster_of(connection, connection.first_backend).unwrap_or(cluster);
    let established = Established { facts, draw: Some(connection.draw), cluster, drawn };
    let before = before.route_for(&facts).and_then(|index| before.route_at(index)).map(|it| Shares::of(it));
    Some(fate(&established, before.as_ref(), standings.listener, route, shares, (standings, addresses)))
}

/// Facts about a connection when it was decided: its client had no address of its own yet.
fn facts(connection: &Direct) -> Facts<'static> {
    let mut client = connection.client;
    if let Some(usual) = client_of(&connection.listener) {
        client.set_ip(usual);
    }
    Facts { client, server_name: None, destination: None }
}
