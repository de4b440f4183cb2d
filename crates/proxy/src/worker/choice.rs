//! Choice of a connection: a backend, one of its endpoints, and the next endpoint after a failure.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use l4::balance::Draw;
use l4::config::{Backend, Cluster, Host, Route};
use l4::decide::{Circumstances, Decision, Forward, RefusalReason, Refuse, RouteIndex, decide, decide_again};
use l4::ending::Ending;
use rustix::io::Errno;

use tls::{ContextError, Failure};

use super::cluster::{Booking, LocalCluster};
use super::connection::Connection;
use super::end::{End, Step};
use super::env::Env;
use super::listener::{LocalBackend, LocalListener};
use super::passing::Passed;
use crate::counters::EndpointCounters;

/// Chosen backend and endpoint of a connection, and the decision that led there.
pub(super) struct Choice {
    pub(super) draw: Draw,
    pub(super) forward: Forward,
    /// Number of endpoints that were dialled, this one included.
    pub(super) attempts: u32,
    /// Backend of `forward`, and its cluster.
    pub(super) to: Rc<LocalBackend>,
    pub(super) cluster: Rc<LocalCluster>,
    /// If the original destination is dialled itself, the record of it; held while the connection is open.
    pub(super) passed: Option<Box<Passed>>,
}

/// Reason why an endpoint was not connected.
#[derive(Debug)]
pub(super) enum Missed {
    /// Error of the kernel.
    Errno(Errno),
    /// TLS with it failed.
    Tls(Failure),
    /// TLS with it is not possible at all.
    Unusable(ContextError),
}

impl From<Errno> for Missed {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Missed {
    fn ending(&self) -> Ending {
        match self {
            Self::Errno(Errno::TIMEDOUT) => Ending::ConnectTimeout,
            // every port that could be dialled from is taken
            Self::Errno(Errno::ADDRNOTAVAIL) => Ending::Limit,
            Self::Errno(_) => Ending::ConnectRefused,
            Self::Tls(_) | Self::Unusable(_) => Ending::ConnectTls,
        }
    }

    /// Returns `true` if it is the endpoint's fault: a local error says nothing about it.
    fn is_its_own(&self) -> bool {
        match self {
            Self::Errno(errno) => *errno != Errno::ADDRNOTAVAIL,
            Self::Tls(_) => true,
            Self::Unusable(_) => false,
        }
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => errno.fmt(f),
            Self::Tls(failure) => failure.fmt(f),
            Self::Unusable(why) => why.fmt(f),
        }
    }
}

/// Connection that is refused, with the reason.
pub(super) struct Refused {
    pub(super) draw: Draw,
    pub(super) refuse: Refuse,
}

impl Choice {
    /// Decides where a connection goes, and counts it for its backend. Boxed, as it moves from stage to stage.
    pub(super) fn make(connection: &Connection, env: &mut Env) -> Result<Box<Self>, Refused> {
        let local = &*connection.listener;
        let draw = local.balance.borrow_mut().draw();
        let circumstances = Circumstances { draw, standings: local, addresses: env.addresses.load() };
        let decision = decide(&connection.facts(), &local.config, &circumstances);
        let meant = match &decision {
            Decision::Forward(forward) => (Some(forward.route), Some(forward.first_backend())),
            Decision::Refuse(refuse) => (refuse.route, refuse.backend),
        };
        if let (Some(route), Some(backend)) = meant
            && let Some(backend) = local.backend(route, backend)
        {
            backend.counters.chosen.add(1);
        }
        let refuse = match decision {
            Decision::Forward(forward) => match local.destination(&forward) {
                Some((to, cluster)) => {
                    return Ok(Box::new(Self { draw, forward, attempts: 0, to, cluster, passed: None }));
                }
                None => Refuse {
                    reason: RefusalReason::BackendUnavailable,
                    route: Some(forward.route),
                    backend: Some(forward.backend),
                    why: "the backend has no cluster".into(),
                },
            },
            Decision::Refuse(refuse) => refuse,
        };
        Err(Refused { draw, refuse })
    }

    /// Turns to the next endpoint after the dialled one failed, or ends the connection.
    pub(super) fn turn_to_next(&mut self, missed: &Missed, connection: &Connection, env: &mut Env) -> Step {
        self.endpoint_counters().failed.add(1);
        if missed.is_its_own() {
            self.cluster.cell().failed(self.forward.endpoint.endpoint);
        }
        self.doubt(env);
        let local = &*connection.listener;
        let circumstances =
            Circumstances { draw: self.draw, standings: local, addresses: env.addresses.load() };
        let next = decide_again(&connection.facts(), &local.config, &self.forward, &circumstances);
        if let Some(forward) = next
            && let Some((to, cluster)) = local.destination(&forward)
        {
            (self.forward, self.to, self.cluster) = (forward, to, cluster);
            return Ok(());
        }
        Err(End::new(missed.ending(), format!("{}: {missed}", self.address())))
    }

    /// Requests another resolution of the host name of an endpoint that cannot be dialled.
    fn doubt(&self, env: &Env) {
        let endpoint = self.cluster_config().endpoints.get(self.forward.endpoint.endpoint);
        if let Some(Host::Name(name)) = endpoint.map(|endpoint| &endpoint.host) {
            env.shared.doubts.about(name);
        }
    }

    /// Takes the places that the connection needs of its endpoint and cluster.
    pub(super) fn book(&self) -> Step<Booking> {
        if self.forward.attempt == 0 {
            self.cluster.advance();
        }
        let booking = self.cluster.book(self.forward.endpoint.endpoint);
        booking.map_err(|full| End::new(full.into(), full.in_words(&self.cluster_config().name)))
    }

    /// Address that is dialled.
    pub(super) fn address(&self) -> SocketAddr {
        self.forward.endpoint.address
    }

    /// Configuration of the cluster.
    pub(super) fn cluster_config(&self) -> &Cluster {
        self.cluster.cell().cluster()
    }

    /// Returns `true` if the endpoint may have the address of the listener itself: connections dialled from the
    /// cluster's own source address are not redirected, and the original destination is never a listener of this
    /// proxy.
    pub(super) fn leads_past_rules(&self) -> bool {
        self.cluster_config().source.is_some() || self.is_original()
    }

    /// Returns `true` if the endpoint is the original destination.
    pub(super) fn is_original(&self) -> bool {
        let endpoint = self.cluster_config().endpoints.get(self.forward.endpoint.endpoint);
        endpoint.is_some_and(|endpoint| endpoint.host == Host::Original)
    }

    /// TLS server name that is sent to the endpoint; `None`: none.
    pub(super) fn server_name(&self) -> Option<&str> {
        let cluster = self.cluster_config();
        let endpoint = cluster.endpoints.get(self.forward.endpoint.endpoint)?;
        cluster.tls.as_ref()?.server_name_for(&endpoint.zone)
    }

    /// Returns the counters of the endpoint.
    pub(super) fn endpoint_counters(&self) -> Arc<EndpointCounters> {
        let index = self.forward.endpoint.endpoint;
        self.to.endpoint(index, || match self.cluster_config().endpoints.get(index) {
            Some(endpoint) => endpoint.to_string(),
            None => self.address().to_string(),
        })
    }

    /// Returns the names of the decision in the configuration of the listener.
    pub(super) fn named<'a>(&self, local: &'a LocalListener) -> Named<'a> {
        let Forward { route, backend, .. } = self.forward;
        let first = Some(self.forward.first_backend()).filter(|first| *first != backend);
        Named::of(local, self.draw, Some(route), first, Some(backend))
    }
}

impl Refused {
    /// Returns the names of the decision in the configuration of the listener.
    pub(super) fn named<'a>(&self, local: &'a LocalListener) -> Named<'a> {
        Named::of(local, self.draw, self.refuse.route, None, self.refuse.backend)
    }
}

/// Names of a decision, for reports and log lines.
#[derive(Default)]
pub(super) struct Named<'a> {
    /// Route that decided; `None`: there was none.
    pub(super) route: Option<&'a Route>,
    /// Backend that was chosen first; `None`: the connection goes there.
    pub(super) first_backend: Option<&'a Backend>,
    /// Backend that was chosen; `None`: none was.
    pub(super) backend: Option<&'a Backend>,
    /// Draw; `None`: a sticky route, where the client's address decided.
    pub(super) draw: Option<Draw>,
}

impl<'a> Named<'a> {
    fn of(
        local: &'a LocalListener,
        draw: Draw,
        route: Option<RouteIndex>,
        first: Option<usize>,
        backend: Option<usize>,
    ) -> Self {
        let route = route.and_then(|route| local.config.route_at(route)).map(|route| &**route);
        let named = |backend: Option<usize>| route?.backends.get(backend?);
        let decided = route.is_none_or(|route| route.sticky.is_none());
        Self { route, first_backend: named(first), backend: named(backend), draw: decided.then_some(draw) }
    }
}
