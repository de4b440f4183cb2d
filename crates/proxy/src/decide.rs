//! Where a connection goes, and why: facts, a listener and a position in, a decision out. No socket, no clock.

mod addresses;

use std::net::SocketAddr;
use std::sync::Arc;

pub use addresses::{Addresses, Resolved};

use crate::balance::{Draw, Turns};
use crate::config::{Backend, Cluster, Host, Listener, Route, Target};

/// What is known about a connection before it is routed.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who connected.
    pub client: SocketAddr,
    /// The TLS server name it asked for, in lower case, where the listener routes by it.
    pub server_name: Option<&'a str>,
}

/// What differs from one connection to the next.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Decides among the backends.
    pub draw: Draw,
    /// Decides among the endpoints of a cluster.
    pub turns: &'a Turns,
    /// The addresses of endpoints that are host names.
    pub addresses: &'a Addresses,
}

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is carried to an endpoint.
    Forward(Forward),
    /// It is refused.
    Refuse(Refuse),
}

/// Where a connection is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Which route of the listener.
    pub route: RouteIndex,
    /// The index of the chosen backend in [`Route::backends`].
    pub backend: usize,
    /// The cluster's turn: with the number of the attempt it decides the endpoint.
    pub turn: u64,
    /// The endpoint to try first.
    pub endpoint: Dial,
}

/// Which route of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteIndex {
    /// [`Listener::route`].
    Default,
    /// The route of this entry of [`Listener::server_names`].
    ServerName(usize),
}

/// An endpoint that can be dialled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Its index in [`Cluster::endpoints`].
    pub endpoint: usize,
    /// Where to connect to.
    pub address: SocketAddr,
}

/// Why a connection is not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// The kind of reason.
    pub reason: Refusal,
    /// The route, when one was found.
    pub route: Option<RouteIndex>,
    /// The index of the backend whose share this was, when one was chosen.
    pub backend: Option<usize>,
    /// The reason in words.
    pub why: Arc<str>,
}

/// The kinds of reasons for refusing a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No backend can be chosen: there is no route, or it has no backend with a weight above 0.
    NoBackend,
    /// The chosen backend has nothing that can be dialled.
    BackendUnavailable,
    /// No route is there for the TLS server name.
    NoServerName,
}

/// Decides about a connection: the best route for its server name, a backend by the draw, an endpoint by the turn.
pub fn decide(facts: &Facts<'_>, listener: &Listener, moment: &Moment<'_>) -> Decision {
    let Some(index) = listener.route_for(facts.server_name) else {
        return Decision::Refuse(no_route(facts, listener));
    };
    let Some(route) = listener.route_at(index) else {
        return Decision::Refuse(no_route(facts, listener));
    };
    let refuse = |reason, backend, why: &Arc<str>| {
        Decision::Refuse(Refuse { reason, route: Some(index), backend, why: Arc::clone(why) })
    };
    let Some(backend) = route.split.choose(moment.draw) else {
        return refuse(Refusal::NoBackend, None, &route.refusal);
    };
    let cluster = match route.backends.get(backend).map(|backend| &backend.target) {
        Some(Target::Cluster(cluster)) => cluster,
        Some(Target::Unavailable(why)) => return refuse(Refusal::BackendUnavailable, Some(backend), why),
        None => return refuse(Refusal::NoBackend, None, &route.refusal),
    };
    let turn = moment.turns.of(&cluster.name);
    match cluster.dial(turn, 0, moment.addresses) {
        Ok(endpoint) => Decision::Forward(Forward { route: index, backend, turn, endpoint }),
        Err(why) => refuse(Refusal::BackendUnavailable, Some(backend), &why),
    }
}

fn no_route(facts: &Facts<'_>, listener: &Listener) -> Refuse {
    let (reason, why) = match facts.server_name {
        _ if listener.server_names.is_empty() => (Refusal::NoBackend, "the listener has no route".into()),
        Some(name) => {
            (Refusal::NoServerName, format!("no route is there for the TLS server name {name:?}").into())
        }
        None => (Refusal::NoServerName, "the client hello has no TLS server name".into()),
    };
    Refuse { reason, route: None, backend: None, why }
}

impl Listener {
    /// Whether a decision needs the client hello first.
    pub fn needs_hello(&self) -> bool {
        !self.server_names.is_empty()
    }

    /// Whether something has to come from the client before a connection can be decided.
    pub fn client_speaks_first(&self) -> bool {
        self.accept_proxy_protocol || self.needs_hello()
    }

    /// The best route for a server name: an exact one, else the longest wildcard, else `*`, else the default.
    pub fn route_for(&self, server_name: Option<&str>) -> Option<RouteIndex> {
        let fitting =
            self.server_names.iter().enumerate().filter(|(_, entry)| entry.pattern.matches(server_name));
        // of equals the first wins: compare by the reversed index last
        let best = fitting.max_by_key(|(index, entry)| (entry.pattern.specificity(), usize::MAX - index));
        match best {
            Some((index, _)) => Some(RouteIndex::ServerName(index)),
            None => self.route.as_ref().map(|_| RouteIndex::Default),
        }
    }

    /// The route that an index stands for.
    pub fn route_at(&self, index: RouteIndex) -> Option<&Arc<Route>> {
        match index {
            RouteIndex::Default => self.route.as_ref(),
            RouteIndex::ServerName(index) => self.server_names.get(index).map(|entry| &entry.route),
        }
    }

    /// All routes: the default one, then those by server name.
    pub fn routes(&self) -> impl Iterator<Item = (RouteIndex, &Arc<Route>)> {
        let named = self.server_names.iter().enumerate();
        let named = named.map(|(index, entry)| (RouteIndex::ServerName(index), &entry.route));
        self.route.iter().map(|route| (RouteIndex::Default, route)).chain(named)
    }
}

impl Route {
    /// A backend and its cluster, when it has one.
    pub fn backend_with_cluster(&self, backend: usize) -> Option<(&Backend, &Arc<Cluster>)> {
        let backend = self.backends.get(backend)?;
        match &backend.target {
            Target::Cluster(cluster) => Some((backend, cluster)),
            Target::Unavailable(_) => None,
        }
    }
}

impl Cluster {
    /// The endpoint for an attempt (0 is the first) in a turn.
    ///
    /// Attempts walk through the usable endpoints of the lowest priority, beginning with the one whose turn it is,
    /// then through those of higher ones, then start again. A host name without an address is not usable.
    ///
    /// # Errors
    /// Why none can be dialled, in words.
    pub fn dial(&self, turn: u64, attempt: u32, addresses: &Addresses) -> Result<Dial, Arc<str>> {
        if let Some(why) = &self.undialable {
            return Err(Arc::clone(why));
        }
        let walk = || self.walk(turn).filter_map(|endpoint| self.address(endpoint, turn, attempt, addresses));
        if attempt == 0 {
            return walk().next().ok_or_else(|| self.nothing_to_dial(addresses));
        }
        let usable = walk().count();
        let position =
            (attempt as usize).checked_rem(usable).ok_or_else(|| self.nothing_to_dial(addresses))?;
        walk().nth(position).ok_or_else(|| self.nothing_to_dial(addresses))
    }

    fn walk(&self, turn: u64) -> impl Iterator<Item = usize> {
        self.tiers.iter().flat_map(move |tier| {
            let (start, len) = (tier.rotation.at(turn), tier.rotation.len());
            (0..len).map(move |step| tier.first + (start + step) % len)
        })
    }

    fn address(&self, index: usize, turn: u64, attempt: u32, addresses: &Addresses) -> Option<Dial> {
        let endpoint = self.endpoints.get(index)?;
        let ip = match &endpoint.host {
            Host::Ip(ip) => *ip,
            Host::Name(name) => addresses.pick(name, turn.wrapping_add(attempt.into()))?,
        };
        Some(Dial { endpoint: index, address: SocketAddr::new(ip, endpoint.port) })
    }

    fn nothing_to_dial(&self, addresses: &Addresses) -> Arc<str> {
        let Some(first) = self.endpoints.first() else {
            return format!("cluster {} has no endpoints", self.name).into();
        };
        match &first.host {
            Host::Name(name) => format!("{name}: {}", addresses.why_not(name)).into(),
            Host::Ip(_) => format!("cluster {} has no usable endpoint", self.name).into(),
        }
    }
}
