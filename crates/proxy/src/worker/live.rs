//! A listener as one worker serves it: its configuration, and everything that goes with it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use l4::balance::Balance;
use l4::config::Listener;
use l4::decide::{Addresses, Forward, RouteIndex, Standing, Standings};

use super::cluster::ClusterOf;
use crate::counters::{BackendCounters, EndpointCounters, ListenerCounters};
use crate::limits::Places;
use crate::log::Output;

/// The draws and turns of a listener, from one configuration to the next.
pub(super) type BalanceOf = Rc<RefCell<Balance>>;

/// A listening socket, and what is served on it.
pub(super) struct ListenSocket {
    pub(super) address: SocketAddr,
    pub(super) socket: OwnedFd,
    pub(super) live: Rc<Live>,
}

/// A listener as one worker serves it. Connections hold on to the one that they were accepted by.
pub(super) struct Live {
    pub(super) listener: Arc<Listener>,
    pub(super) counters: Arc<ListenerCounters>,
    /// The counters of the backends of each route, by [`RouteIndex`].
    pub(super) backends: Vec<Vec<BackendOf>>,
    pub(super) balance: BalanceOf,
    pub(super) outputs: Vec<Output>,
    /// The listener's own limit, over all workers.
    pub(super) places: Arc<Places>,
}

/// The counters of a backend, and of those of its endpoints that were dialled; and its cluster.
pub(super) struct BackendOf {
    pub(super) counters: Arc<BackendCounters>,
    /// `None`: its share is refused.
    pub(super) cluster: Option<Rc<ClusterOf>>,
    endpoints: RefCell<Vec<Option<Arc<EndpointCounters>>>>,
}

impl BackendOf {
    pub(super) fn new(counters: Arc<BackendCounters>, cluster: Option<Rc<ClusterOf>>) -> Self {
        Self { counters, cluster, endpoints: RefCell::default() }
    }

    fn endpoint(&self, index: usize, name: impl FnOnce() -> String) -> Arc<EndpointCounters> {
        let mut endpoints = self.endpoints.borrow_mut();
        if endpoints.len() <= index {
            endpoints.resize(index + 1, None);
        }
        let counters = endpoints[index].get_or_insert_with(|| self.counters.endpoint(&name()));
        Arc::clone(counters)
    }
}

impl Live {
    /// The counters of a backend.
    pub(super) fn backend(&self, route: RouteIndex, backend: usize) -> Option<&BackendOf> {
        self.backends.get(route.0)?.get(backend)
    }

    /// The cluster of a backend.
    pub(super) fn cluster_of(&self, route: RouteIndex, backend: usize) -> Option<&Rc<ClusterOf>> {
        self.backend(route, backend)?.cluster.as_ref()
    }

    /// Whether anything of a backend can be dialled now.
    pub(super) fn takes(&self, route: RouteIndex, backend: usize, addresses: &Addresses) -> bool {
        let Some(cluster) = self.cluster_of(route, backend) else { return false };
        let any = |standing: &Standing<'_>| {
            cluster.cell().cluster().walk(standing.roster, 0, standing.turn, addresses).next().is_some()
        };
        self.ask(route, backend, any).unwrap_or(false)
    }

    /// The counters of the endpoint that is dialled.
    pub(super) fn endpoint(&self, forward: &Forward) -> Option<Arc<EndpointCounters>> {
        let counters = self.backend(forward.route, forward.backend)?;
        let route = self.listener.route_at(forward.route)?;
        let (_, cluster) = route.backend_with_cluster(forward.backend)?;
        let index = forward.endpoint.endpoint;
        let endpoint = cluster.endpoints.get(index)?;
        Some(counters.endpoint(index, || endpoint.to_string()))
    }
}

impl Standings for Live {
    fn ask<A>(
        &self,
        route: RouteIndex,
        backend: usize,
        question: impl FnOnce(&Standing<'_>) -> A,
    ) -> Option<A> {
        self.cluster_of(route, backend).map(|cluster| cluster.ask(question))
    }
}
