//! Routing decisions: facts, a listener and a moment in, the destination of a connection and the reason out. No socket,
//! no clock.

mod addresses;
mod all_well;
mod routed;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use addresses::{Addresses, Resolved};
pub use all_well::AllWell;
use routed::Routed;

use crate::balance::hash::position_of;
use crate::balance::{Condition, Draw, Roster};
use crate::config::{Backend, Cluster, Host, Listener, Match, Route, ServerTls, Target, WhenDown};
use crate::permit::Permissions;

/// Facts about a connection before it is routed.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Client address.
    pub client: SocketAddr,
    /// TLS server name that the client asked for, in lower case, where the listener routes by it.
    pub server_name: Option<&'a str>,
    /// Original destination, if the kernel redirected the connection here.
    pub destination: Option<SocketAddr>,
}

/// Part of a decision that differs from one connection to the next.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a, S> {
    /// Draw, which decides among the backends.
    pub draw: Draw,
    /// State of clusters, which decides among the endpoints.
    pub standings: &'a S,
    /// Addresses of endpoints that are host names.
    pub addresses: &'a Addresses,
}

/// State of a listener's clusters, kept by the caller.
pub trait ClusterStates {
    /// Asks about the cluster of a backend; `None`: there is no such cluster.
    fn ask<A>(
        &self,
        route: RouteIndex,
        backend: usize,
        question: impl FnOnce(&ClusterState<'_>) -> A,
    ) -> Option<A>;
}

/// State of a cluster.
pub struct ClusterState<'a> {
    /// Endpoints that take connections.
    pub roster: &'a Roster,
    /// Number of connections that the cluster got so far.
    pub turn: u64,
    /// Number of connections of an endpoint, by its index in [`Cluster::endpoints`].
    pub load: &'a dyn Fn(usize) -> u32,
}

/// Decision about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The connection is carried to an endpoint.
    Forward(Forward),
    /// The connection is refused.
    Refuse(Refuse),
}

/// Path of a connection that is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Route of the listener.
    pub route: RouteIndex,
    /// Index of the backend in [`Route::backends`].
    pub backend: usize,
    first_backend: u32,
    /// Turn of the cluster.
    pub turn: u64,
    /// Place in the cluster's roster where the walk began.
    pub place: u32,
    /// Number of failed attempts at this backend so far.
    pub attempt: u32,
    /// Backends at which all attempts failed.
    pub tried: Sides,
    /// Endpoint to try now.
    pub endpoint: Dial,
}

impl Forward {
    /// Index of the backend that was chosen first; it differs from `backend` if that one could not take its share.
    pub fn first_backend(&self) -> usize {
        self.first_backend as usize
    }
}

/// Set of backends of a route, by index; holds only the first 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides(u32);

impl Sides {
    fn with(self, backend: usize) -> Self {
        Self(self.0 | u32::try_from(backend).ok().and_then(|bit| 1u32.checked_shl(bit)).unwrap_or(0))
    }

    /// Returns `true` if a backend may still be tried: it is one of the first 32, and not in the set.
    fn lacks(self, backend: usize) -> bool {
        backend < 32 && self.0 >> backend & 1 == 0
    }
}

/// Route of a listener, as its index in [`Listener::routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteIndex(pub usize);

/// Endpoint that can be dialled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Index in [`Cluster::endpoints`].
    pub endpoint: usize,
    /// Address to connect to.
    pub address: SocketAddr,
}

/// Refusal of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Kind of reason.
    pub reason: RefusalReason,
    /// Route; `None`: none was found.
    pub route: Option<RouteIndex>,
    /// Index of the backend whose share is refused; `None`: none was chosen.
    pub backend: Option<usize>,
    /// Reason in words.
    pub why: Arc<str>,
}

/// Kinds of reasons for refusing a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// No backend can be chosen: there is no route, or it has no backend with a weight above 0.
    NoBackend,
    /// Nothing of the chosen backend can be dialled.
    BackendUnavailable,
    /// The endpoints of the chosen backend are down.
    BackendDown,
    /// No route matches the TLS server name.
    NoServerName,
}

/// Decides about a connection: the best route for its server name, a backend by the draw or the client, an endpoint
/// by the cluster's policy.
pub fn decide<S: ClusterStates>(
    facts: &Facts<'_>,
    listener: &Listener,
    circumstances: &Circumstances<'_, S>,
) -> Decision {
    let Some(index) = listener.route_for(facts) else {
        return Decision::Refuse(no_route(facts, listener));
    };
    let Some(route) = listener.route_at(index) else {
        return Decision::Refuse(no_route(facts, listener));
    };
    let refuse = |reason, backend, why| Decision::Refuse(Refuse { reason, route: Some(index), backend, why });
    let chosen = match &route.sticky {
        None => route.split.choose(circumstances.draw),
        Some(sticky) => sticky.choose(facts.position(), |_| true),
    };
    let Some(first) = chosen else {
        return refuse(RefusalReason::NoBackend, None, Arc::clone(&route.refusal));
    };
    let routed = Routed { facts, route, index, circumstances };
    let backend = match route.backends.get(first) {
        Some(Backend { target: Target::Unavailable(why), .. }) => {
            return refuse(RefusalReason::BackendUnavailable, Some(first), Arc::clone(why));
        }
        Some(backend) => backend,
        None => return refuse(RefusalReason::NoBackend, None, Arc::clone(&route.refusal)),
    };
    if let Some(forward) = routed.forward(first, first, Sides::default()) {
        return Decision::Forward(forward);
    }
    let (reason, why) = routed.why_not(first);
    if backend.when_down == WhenDown::Refuse {
        return refuse(reason, Some(first), why);
    }
    match routed.other_side(first, Sides::default().with(first)) {
        Some(forward) => Decision::Forward(forward),
        None => refuse(reason, Some(first), format!("{why}; no other backend can take its share").into()),
    }
}

/// Decides again about a connection whose attempt failed: another endpoint of the same backend, as long as the listener
/// allows attempts; then, where the route allows it, another backend. `None`: the connection is refused.
pub fn decide_again<S: ClusterStates>(
    facts: &Facts<'_>,
    listener: &Listener,
    failed: &Forward,
    circumstances: &Circumstances<'_, S>,
) -> Option<Forward> {
    let route = listener.route_at(failed.route)?;
    let routed = Routed { facts, route, index: failed.route, circumstances };
    let attempt = failed.attempt.saturating_add(1);
    let may_again = attempt < listener.max_connect_attempts.get();
    let again = || may_again.then(|| routed.again(failed, attempt)).flatten();
    if !route.retry_other_side {
        return again().map(|(forward, _)| forward);
    }
    match again() {
        Some((forward, true)) => Some(forward),
        // every endpoint here was tried: another backend is better than the same endpoint again
        tired => routed
            .other_side(failed.first_backend(), failed.tried.with(failed.backend))
            .or(tired.map(|(forward, _)| forward)),
    }
}

impl Facts<'_> {
    /// Position of the client in hashes of its address.
    fn position(&self) -> u64 {
        position_of(self.client.ip())
    }
}

fn no_route(facts: &Facts<'_>, listener: &Listener) -> Refuse {
    let (reason, why) = match facts.server_name {
        _ if !listener.routes_by_name() => (RefusalReason::NoBackend, "the listener has no route".into()),
        Some(name) => (
            RefusalReason::NoServerName,
            format!("no route is there for the TLS server name {name:?}").into(),
        ),
        None => (RefusalReason::NoServerName, "the client hello has no TLS server name".into()),
    };
    Refuse { reason, route: None, backend: None, why }
}

impl Listener {
    /// Returns `true` if routing a client's connection, or terminating its TLS, needs the client hello first.
    pub fn needs_hello(&self, client: IpAddr) -> bool {
        let first = self.routes.iter().find_map(|(matched, _)| matched.takes_unasked(client));
        first == Some(false) || self.tls.as_ref().is_some_and(|tls| tls.permissive)
    }

    /// Returns `true` if plaintext has a destination: then a silent client may be one whose server speaks first.
    pub fn takes_plaintext(&self, client: IpAddr) -> bool {
        match &self.tls {
            Some(tls) => tls.permissive,
            None => self.routes.iter().any(|(matched, _)| matched.takes_unasked(client) == Some(true)),
        }
    }

    fn routes_by_name(&self) -> bool {
        self.routes.iter().any(|(matched, _)| matched.specificity().0)
    }

    /// Returns `true` if the client has to send something before a connection can be decided.
    pub fn client_speaks_first(&self, client: IpAddr) -> bool {
        self.accept_proxy_protocol || self.tls.is_some() || self.needs_hello(client)
    }

    /// Route for a connection; `None`: none matches.
    pub fn route_for(&self, facts: &Facts<'_>) -> Option<RouteIndex> {
        let (client, name) = (facts.client.ip(), facts.server_name);
        let takes = |(matched, _): &(Match, Arc<Route>)| matched.takes(client, name);
        let (first, sorted) = self.routes.split_at_checked(self.sorted_from)?;
        if let Some(index) = first.iter().position(takes) {
            return Some(RouteIndex(index));
        }
        // a zone proxy has an exact name for each service of each mesh: searched by bisection, not one after the other
        let is_before = |(matched, _): &(Match, Arc<Route>)| {
            name.is_some_and(|name| matched.exact().is_some_and(|exact| exact < name))
        };
        let exact = sorted.partition_point(is_before);
        if sorted.get(exact).is_some_and(takes) {
            return Some(RouteIndex(first.len() + exact));
        }
        let others = sorted.partition_point(|(matched, _)| matched.exact().is_some());
        let index = sorted.get(others..)?.iter().position(takes)?;
        Some(RouteIndex(first.len() + others + index))
    }

    /// TLS termination of a connection, and the permissions of its clients; `None`: TLS is passed through.
    pub fn end_for(&self, facts: &Facts<'_>) -> Option<(&ServerTls, Option<&Permissions>)> {
        let route = self.route_for(facts).and_then(|RouteIndex(index)| self.routes.get(index));
        match route.and_then(|(matched, _)| matched.end()) {
            Some(end) => Some((&end.tls, end.permissions.as_ref())),
            None => self.tls.as_ref().map(|tls| (tls, self.permissions.as_ref())),
        }
    }

    /// Route at an index; `None`: there is none.
    pub fn route_at(&self, RouteIndex(index): RouteIndex) -> Option<&Arc<Route>> {
        self.routes.get(index).map(|(_, route)| route)
    }
}

impl Route {
    /// Backend and its cluster; `None`: it has no cluster.
    pub fn backend_with_cluster(&self, backend: usize) -> Option<(&Backend, &Arc<Cluster>)> {
        let backend = self.backends.get(backend)?;
        match &backend.target {
            Target::Cluster(cluster) => Some((backend, cluster)),
            Target::Unavailable(_) => None,
        }
    }
}

impl Cluster {
    /// Chooses the place where a connection's walk through the endpoints begins, and the first that can be dialled.
    pub fn choose(
        &self,
        standing: &ClusterState<'_>,
        facts: &Facts<'_>,
        addresses: &Addresses,
    ) -> Option<(usize, Dial)> {
        let position = if self.policy.is_by_client() { facts.position() } else { 0 };
        let place = standing.roster.pick(standing.turn, position, standing.load);
        let walk = self.walk(standing.roster, place, standing.turn, addresses, facts.destination).next();
        Some((place, walk?))
    }

    /// Endpoints that can be dialled, in the order in which to try them, beginning at a place of the roster. A host
    /// name without an address cannot be dialled; of one with several, `turn` decides. `destination`: original
    /// destination of a redirected connection.
    pub fn walk(
        &self,
        roster: &Roster,
        place: usize,
        turn: u64,
        addresses: &Addresses,
        destination: Option<SocketAddr>,
    ) -> impl Iterator<Item = Dial> {
        let walk = self.undialable.is_none().then(|| roster.walk(place)).into_iter().flatten();
        walk.filter_map(move |endpoint| self.address(endpoint, turn, addresses, destination))
    }

    fn address(
        &self,
        index: usize,
        turn: u64,
        addresses: &Addresses,
        destination: Option<SocketAddr>,
    ) -> Option<Dial> {
        let endpoint = self.endpoints.get(index)?;
        let ip = match &endpoint.host {
            Host::Ip(ip) => *ip,
            Host::Name(name) => addresses.pick(name, turn)?,
            Host::Original => return Some(Dial { endpoint: index, address: destination? }),
        };
        Some(Dial { endpoint: index, address: SocketAddr::new(ip, endpoint.port) })
    }

    /// Reason why nothing can be dialled, given that this is so.
    pub fn why_not(&self, roster: &Roster, addresses: &Addresses) -> (RefusalReason, Arc<str>) {
        let unavailable = |why| (RefusalReason::BackendUnavailable, why);
        if let Some(why) = &self.undialable {
            return unavailable(Arc::clone(why));
        }
        let Some(first) = self.endpoints.first() else {
            return unavailable(format!("cluster {} has no endpoints", self.name).into());
        };
        let all = self.endpoints.len();
        if roster.condition() == Condition::Down {
            let why = match roster.usable() {
                0 if all == 1 => format!("{first}, the only endpoint of cluster {}, is down", self.name),
                0 => format!("all {all} endpoints of cluster {} are down", self.name),
                some => format!(
                    "only {some} of the {all} endpoints of cluster {} are up, which is below its panic threshold",
                    self.name
                ),
            };
            return (RefusalReason::BackendDown, why.into());
        }
        unavailable(match &first.host {
            Host::Name(name) => format!("{name}: {}", addresses.why_not(name)).into(),
            Host::Original => "nobody redirected the connection: it was meant for this proxy".into(),
            Host::Ip(_) => format!("cluster {} has no usable endpoint", self.name).into(),
        })
    }
}
