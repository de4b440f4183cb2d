//! Live connections when the weights of their route change: see [`l4::existing`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use l4::config::Route;
use l4::ending::Ending;
use l4::existing::{AT_ONCE, ClosableConnection, Drain, Established, Fate, Shares, after_grace, fate, pause};

use super::Worker;
use super::choice::Named;
use super::connection::Connection;
use super::deadlines::Micros;
use super::end::End;
use super::listener::LocalListener;
use super::stage::Stage;
use crate::counters::ListenerKey;

/// Drains in progress.
pub(super) struct RouteDrains {
    drains: Vec<RouteDrain>,
    chance: fastrand::Rng,
    pub(super) again: Option<Micros>,
}

/// Drain of one route.
struct RouteDrain {
    listener: ListenerKey,
    route: Arc<str>,
    /// Generation below which connections are drained.
    born_before: u64,
    drain: Drain,
}

/// Listener that is served by other rules from now on.
pub(super) struct Changed {
    pub(super) before: Rc<LocalListener>,
    pub(super) now: Rc<LocalListener>,
}

/// Shares of a route that is drained, and the clusters of its live connections.
type Group = (Shares, Vec<Arc<str>>);

/// Reason why a connection has to leave.
enum Leaving {
    /// It leaves if it is part of the excess of this cluster.
    InTurn(Arc<str>),
    /// It leaves for this reason.
    Now(String),
}

impl RouteDrains {
    pub(super) fn seeded(seed: u64) -> Self {
        Self { drains: Vec::new(), chance: fastrand::Rng::with_seed(seed), again: None }
    }
}

impl Worker {
    /// Checks every connection of listeners whose rules changed.
    pub(super) fn follow_change(&mut self, changed: &[Changed]) {
        let changed: BTreeMap<ListenerKey, &Changed> =
            changed.iter().map(|changed| (key(&changed.now), changed)).collect();
        if changed.is_empty() || self.slots.taken() == 0 {
            return;
        }
        let mut draining: BTreeMap<(ListenerKey, Arc<str>), Group> = BTreeMap::new();
        for slot in self.slots.occupied() {
            let Some((connection, Stage::Relaying(relaying))) = self.slots.get_mut(slot) else { continue };
            let Some(changed) = changed.get(&key(&connection.listener)) else { continue };
            let Some(index) = changed.now.config.route_for(&connection.facts()) else {
                continue;
            };
            let Some(route) = changed.now.config.route_at(index).cloned() else { continue };
            let shares = Shares::of(&route);
            if let Some(born) = relaying.choice.named(&connection.listener).route.map(Shares::of) {
                relaying.mark_outdated(!born.equal(&shares));
            }
            match self.leaving(slot, changed, &route, &shares) {
                None => {}
                Some(Leaving::Now(why)) => self.end(slot, End::new(Ending::Moved, why)),
                Some(Leaving::InTurn(cluster)) => {
                    let group = draining.entry((key(&changed.now), Arc::clone(&route.name)));
                    let addresses = self.env.addresses.load();
                    let takes = |backend: usize| changed.now.takes(index, backend, addresses);
                    let group = group.or_insert_with(|| (Shares::in_effect(&route, takes), Vec::new()));
                    group.1.push(cluster);
                }
            }
        }
        for ((listener, route), (shares, clusters)) in draining {
            let drain = Drain::towards(&shares, clusters.iter().map(|cluster| &**cluster));
            self.drains.drains.retain(|other| (&other.listener, &other.route) != (&listener, &route));
            self.drains.drains.push(RouteDrain { listener, route, born_before: self.generation, drain });
        }
        self.plan_next_move();
    }

    /// Decides about one connection; `None`: it stays, at least until the grace period of its backend ends.
    fn leaving(&mut self, slot: u32, changed: &Changed, route: &Route, shares: &Shares) -> Option<Leaving> {
        let (connection, stage) = self.slots.get_mut(slot)?;
        let Stage::Relaying(relaying) = stage else { return None };
        let Named { backend, first_backend, .. } = relaying.choice.named(&connection.listener);
        let cluster = Arc::<str>::from(backend?.cluster_name());
        let drawn = first_backend.map(|backend| Arc::<str>::from(backend.cluster_name()));
        let established = Established {
            facts: connection.facts(),
            draw: Some(relaying.choice.draw),
            cluster: &cluster,
            drawn: drawn.as_deref().unwrap_or(&cluster),
        };
        let before = route_of(connection, &changed.before).map(|route| Shares::of(&route));
        let (now, addresses) = (&*changed.now, self.env.addresses.load());
        let fate = fate(&established, before.as_ref(), &now.config, route, shares, (now, addresses));
        if !matches!(fate, Fate::Grace(_)) {
            relaying.close_at = None;
        }
        match fate {
            Fate::Unmoved => None,
            Fate::Kept => {
                let (listener, name) = (key(now), &route.name);
                self.drains.drains.retain(|drain| (&drain.listener, &drain.route) != (&listener, name));
                None
            }
            Fate::Grace(grace) => {
                let after = after_grace(grace, self.drains.chance.u64(..));
                let due = *relaying.close_at.get_or_insert(self.env.now + after);
                self.env.deadlines.look_at(slot, due);
                None
            }
            Fate::Drains => Some(Leaving::InTurn(cluster)),
            Fate::Closes(why) => Some(Leaving::Now(why)),
        }
    }

    /// Does a turn of every drain.
    pub(super) fn move_some(&mut self) {
        let now = self.env.now;
        self.drains.again = None;
        for drain in std::mem::take(&mut self.drains.drains) {
            let current = self.env.sockets.iter().flatten().map(|socket| &socket.local);
            let Some(local) = current.into_iter().find(|local| key(local) == drain.listener) else {
                continue;
            };
            let members = self.slots.iter().filter_map(|(connection, stage)| {
                let Stage::Relaying(relaying) = stage else { return None };
                let born_at = &*connection.listener;
                let concerned = connection.generation < drain.born_before
                    && relaying.close_at.is_none()
                    && born_at.config.name == drain.listener.1
                    && born_at.config.proxy == drain.listener.0
                    && route_of(connection, local).is_some_and(|route| route.name == drain.route);
                let backend = relaying.choice.named(born_at).backend.filter(|_| concerned)?;
                let idle = now.since(relaying.moved_at);
                Some(ClosableConnection { key: connection.slot, cluster: backend.cluster_name(), idle })
            });
            let closed = drain.drain.choose(members.collect(), AT_ONCE);
            if !closed.is_empty() {
                self.drains.drains.push(drain);
            }
            for slot in closed {
                let why = "its backend had more connections than its new share";
                self.end(slot, End::new(Ending::DrainedByRoute, why));
            }
        }
        self.plan_next_move();
    }

    fn plan_next_move(&mut self) {
        if self.drains.drains.is_empty() {
            self.drains.again = None;
        } else if self.drains.again.is_none() {
            // a time that is set stays: changes in quick succession must not delay it without end
            self.drains.again = Some(self.env.now + pause(self.drains.chance.u64(..)));
        }
    }
}

fn key(local: &LocalListener) -> ListenerKey {
    (local.config.proxy.clone(), Arc::clone(&local.config.name))
}

/// Returns the route that a connection would take at a listener.
fn route_of(connection: &Connection, local: &LocalListener) -> Option<Arc<Route>> {
    let index = local.config.route_for(&connection.facts())?;
    local.config.route_at(index).cloned()
}
