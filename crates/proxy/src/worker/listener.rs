//! Listener as one worker serves it: its configuration, with everything that depends on it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use l4::balance::Balance;
use l4::claims::Claims;
use l4::config::Listener;
use l4::decide::{Addresses, ClusterState, ClusterStates, Facts, Forward, RouteIndex};

use tls::{ContextError, TlsContext};

use super::cluster::LocalCluster;
use crate::counters::{BackendCounters, EndpointCounters, ListenerCounters};
use crate::limits::Places;
use crate::log::Output;

/// Draws and turns of a listener, kept over changes of configuration.
pub(super) type SharedBalance = Rc<RefCell<Balance>>;

/// Listening socket, and the listener that is served on it.
pub(super) struct ListenSocket {
    pub(super) address: SocketAddr,
    pub(super) socket: OwnedFd,
    pub(super) local: Rc<LocalListener>,
    /// Captured listeners of the connections that the kernel redirects here; `None`: it redirects none.
    pub(super) claims: Option<Rc<Claims<Rc<LocalListener>>>>,
}

/// Listener as one worker serves it. Connections hold on to the one that accepted them.
pub(super) struct LocalListener {
    pub(super) config: Arc<Listener>,
    pub(super) counters: Arc<ListenerCounters>,
    /// Backends of each route, by [`RouteIndex`].
    pub(super) backends: Vec<Vec<Rc<LocalBackend>>>,
    pub(super) balance: SharedBalance,
    pub(super) outputs: Vec<Output>,
    /// TLS context that terminates clients' TLS, or the reason why there is none; `None`: it is passed on. Routes
    /// may have their own.
    pub(super) tls: Option<Result<TlsContext, ContextError>>,
    /// The same for each route with its own termination, by [`RouteIndex`].
    pub(super) tls_of_routes: Vec<Option<Result<TlsContext, ContextError>>>,
    /// Cluster of its mirror; `None`: it has none, or it cannot be dialled.
    pub(super) mirror: Option<Rc<LocalCluster>>,
    /// Places of the listener's own limit, over all workers.
    pub(super) places: Arc<Places>,
}

/// Backend as one worker serves it: its counters, those of its endpoints that were dialled, and its cluster.
pub(super) struct LocalBackend {
    pub(super) counters: Arc<BackendCounters>,
    /// Cluster; `None`: its share is refused.
    pub(super) cluster: Option<Rc<LocalCluster>>,
    endpoints: RefCell<Vec<Option<Arc<EndpointCounters>>>>,
}

impl LocalBackend {
    pub(super) fn new(counters: Arc<BackendCounters>, cluster: Option<Rc<LocalCluster>>) -> Self {
        Self { counters, cluster, endpoints: RefCell::default() }
    }

    /// Returns the counters of an endpoint by its index in the cluster; `name` is called when it is dialled first.
    pub(super) fn endpoint(&self, index: usize, name: impl FnOnce() -> String) -> Arc<EndpointCounters> {
        let mut endpoints = self.endpoints.borrow_mut();
        if endpoints.len() <= index {
            endpoints.resize(index + 1, None);
        }
        let counters = endpoints[index].get_or_insert_with(|| self.counters.endpoint(&name()));
        Arc::clone(counters)
    }
}

impl LocalListener {
    /// Returns the TLS context that terminates a connection's TLS, or the reason why there is none; `None`: it is
    /// passed on.
    pub(super) fn tls_for(&self, facts: &Facts<'_>) -> Option<&Result<TlsContext, ContextError>> {
        let route = self.config.route_for(facts);
        let of_route = route.and_then(|RouteIndex(index)| self.tls_of_routes.get(index)?.as_ref());
        of_route.or(self.tls.as_ref())
    }

    /// Returns a backend of a route.
    pub(super) fn backend(&self, route: RouteIndex, backend: usize) -> Option<&Rc<LocalBackend>> {
        self.backends.get(route.0)?.get(backend)
    }

    /// Returns the backend and the cluster that a decision leads to; `None`: it was made for another listener.
    pub(super) fn destination(&self, forward: &Forward) -> Option<(Rc<LocalBackend>, Rc<LocalCluster>)> {
        let backend = self.backend(forward.route, forward.backend)?;
        Some((Rc::clone(backend), Rc::clone(backend.cluster.as_ref()?)))
    }

    fn cluster_of(&self, route: RouteIndex, backend: usize) -> Option<&Rc<LocalCluster>> {
        self.backend(route, backend)?.cluster.as_ref()
    }

    /// Returns `true` if any endpoint of a backend can be dialled now.
    pub(super) fn takes(&self, route: RouteIndex, backend: usize, addresses: &Addresses) -> bool {
        let Some(cluster) = self.cluster_of(route, backend) else { return false };
        let any = |standing: &ClusterState<'_>| {
            cluster.cell().cluster().walk(standing.roster, 0, standing.turn, addresses, None).next().is_some()
        };
        self.ask(route, backend, any).unwrap_or(false)
    }
}

impl ClusterStates for LocalListener {
    fn ask<A>(
        &self,
        route: RouteIndex,
        backend: usize,
        question: impl FnOnce(&ClusterState<'_>) -> A,
    ) -> Option<A> {
        self.cluster_of(route, backend).map(|cluster| cluster.ask(question))
    }
}
