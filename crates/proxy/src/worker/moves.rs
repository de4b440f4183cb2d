//! What becomes of connections that live when the weights of their route change: see [`l4::existing`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use l4::config::Route;
use l4::decide::Facts;
use l4::ending::Ending;
use l4::existing::{AT_ONCE, Drain, Established, Fate, Living, Shares, after_grace, fate, pause};

use super::Worker;
use super::connection::{Connection, Stage};
use super::deadlines::Micros;
use super::live::Live;
use crate::counters::ListenerKey;

/// The drains that go on.
pub(super) struct Moves {
    drains: Vec<RouteDrain>,
    chance: fastrand::Rng,
    pub(super) again: Option<Micros>,
}

/// The drain of one route.
struct RouteDrain {
    listener: ListenerKey,
    route: Arc<str>,
    /// Connections of earlier generations are what it is about.
    born_before: u64,
    drain: Drain,
}

/// A listener that is served by other rules from now on.
pub(super) struct Changed {
    pub(super) before: Rc<Live>,
    pub(super) now: Rc<Live>,
}

/// The shares of a route that is drained, and the clusters of the connections that live.
type Group = (Shares, Vec<Arc<str>>);

/// A connection that has to leave.
enum Leaving {
    /// If it is part of the excess of this cluster.
    InTurn(Arc<str>),
    /// For this reason.
    Now(String),
}

impl Moves {
    pub(super) fn seeded(seed: u64) -> Self {
        Self { drains: Vec::new(), chance: fastrand::Rng::with_seed(seed), again: None }
    }
}

impl Worker {
    /// Looks at every connection of listeners whose rules changed.
    pub(super) fn follow_change(&mut self, changed: &[Changed]) {
        let changed: BTreeMap<ListenerKey, &Changed> =
            changed.iter().map(|changed| (key(&changed.now), changed)).collect();
        if changed.is_empty() || self.slots.live() == 0 {
            return;
        }
        let mut draining: BTreeMap<(ListenerKey, Arc<str>), Group> = BTreeMap::new();
        for slot in self.slots.occupied() {
            let Some(connection) = self.slots.get_mut(slot) else { continue };
            if connection.stage != Stage::Relaying {
                continue;
            }
            let Some(changed) = changed.get(&key(&connection.live)) else { continue };
            let Some(index) = changed.now.listener.route_for(connection.server_name.as_deref()) else {
                continue;
            };
            let Some(route) = changed.now.listener.route_at(index).cloned() else { continue };
            let shares = Shares::of(&route);
            mark_outdated(connection, &shares);
            match self.leaving(slot, changed, &route, &shares) {
                None => {}
                Some(Leaving::Now(why)) => self.finish(slot, Ending::Moved, &why),
                Some(Leaving::InTurn(cluster)) => {
                    let group = draining.entry((key(&changed.now), Arc::clone(&route.name)));
                    let addresses = self.addresses.load();
                    let takes = |backend: usize| changed.now.takes(index, backend, addresses);
                    let group = group.or_insert_with(|| (Shares::in_effect(&route, takes), Vec::new()));
                    group.1.push(cluster);
                }
            }
        }
        for ((listener, route), (shares, clusters)) in draining {
            let drain = Drain::towards(&shares, clusters.iter().map(|cluster| &**cluster));
            self.moves.drains.retain(|other| (&other.listener, &other.route) != (&listener, &route));
            self.moves.drains.push(RouteDrain { listener, route, born_before: self.generation, drain });
        }
        self.plan_next_move();
    }

    /// Decides about one connection; `None`: it stays, if only until the grace of its backend ends.
    fn leaving(&mut self, slot: u32, changed: &Changed, route: &Route, shares: &Shares) -> Option<Leaving> {
        let connection = self.slots.get_mut(slot)?;
        let cluster = Arc::<str>::from(connection.chosen()?.cluster_name());
        let drawn = connection.chosen_first().map(|backend| Arc::<str>::from(backend.cluster_name()));
        let established = Established {
            facts: Facts { client: connection.peer, server_name: connection.server_name.as_deref() },
            draw: connection.draw,
            cluster: &cluster,
            drawn: drawn.as_deref().unwrap_or(&cluster),
        };
        let before = route_of(connection, &changed.before).map(|route| Shares::of(&route));
        let (now, addresses) = (&*changed.now, self.addresses.load());
        let fate = fate(&established, before.as_ref(), &now.listener, route, shares, (now, addresses));
        if !matches!(fate, Fate::Grace(_)) {
            connection.close_at = None;
        }
        match fate {
            Fate::Unmoved => None,
            Fate::Kept => {
                let (listener, name) = (key(now), &route.name);
                self.moves.drains.retain(|drain| (&drain.listener, &drain.route) != (&listener, name));
                None
            }
            Fate::Grace(grace) => {
                let after = after_grace(grace, self.moves.chance.u64(..));
                let due = *connection.close_at.get_or_insert(self.now + after);
                self.deadlines.look_at(slot, due);
                None
            }
            Fate::Drains => Some(Leaving::InTurn(cluster)),
            Fate::Closes(why) => Some(Leaving::Now(why)),
        }
    }

    /// Takes a turn of every drain.
    pub(super) fn move_some(&mut self) {
        let now = self.now;
        self.moves.again = None;
        for drain in std::mem::take(&mut self.moves.drains) {
            let current = self.sockets.iter().flatten().map(|socket| &socket.live);
            let Some(live) = current.into_iter().find(|live| key(live) == drain.listener) else { continue };
            let members = self.slots.iter_with_slots().filter_map(|(slot, connection)| {
                let concerned = connection.generation < drain.born_before
                    && connection.stage == Stage::Relaying
                    && connection.close_at.is_none()
                    && connection.live.listener.name == drain.listener.1
                    && connection.live.listener.proxy == drain.listener.0
                    && route_of(connection, live).is_some_and(|route| route.name == drain.route);
                let cluster = connection.chosen().filter(|_| concerned)?.cluster_name();
                Some(Living { key: slot, cluster, idle: now.since(connection.since) })
            });
            let closed = drain.drain.choose(members.collect(), AT_ONCE);
            if !closed.is_empty() {
                self.moves.drains.push(drain);
            }
            for slot in closed {
                let why = "its backend had more connections than its new share";
                self.finish(slot, Ending::DrainedByRoute, why);
            }
        }
        self.plan_next_move();
    }

    fn plan_next_move(&mut self) {
        if self.moves.drains.is_empty() {
            self.moves.again = None;
        } else if self.moves.again.is_none() {
            // a time that is set stays: changes in quick succession must not put it off without end
            self.moves.again = Some(self.now + pause(self.moves.chance.u64(..)));
        }
    }
}

fn key(live: &Live) -> ListenerKey {
    (live.listener.proxy.clone(), Arc::clone(&live.listener.name))
}

/// The route that a connection would take at a listener.
fn route_of(connection: &Connection, live: &Live) -> Option<Arc<Route>> {
    let index = live.listener.route_for(connection.server_name.as_deref())?;
    live.listener.route_at(index).cloned()
}

/// Notes whether a connection was decided by other shares than those of now.
fn mark_outdated(connection: &mut Connection, shares: &Shares) {
    let Some(born) = connection.route().map(Shares::of) else { return };
    let outdated = !born.equal(shares);
    if outdated == connection.outdated {
        return;
    }
    connection.outdated = outdated;
    if let Some(backend) =
        connection.forward.and_then(|forward| connection.live.backend(forward.route, forward.backend))
    {
        match outdated {
            true => backend.counters.outdated.add(1),
            false => backend.counters.outdated.subtract(1),
        }
    }
}
