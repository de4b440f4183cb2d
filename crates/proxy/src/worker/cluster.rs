//! Cluster as one worker sees it: its turns, and the load of its endpoints by this worker's connections.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use l4::decide::ClusterState;
use l4::health::ReachedLimit;
use tls::{ContextError, TlsContext};

use crate::contexts::Contexts;
use crate::health;
use crate::limits::Place;

/// Cluster as one worker sees it, in one version of the configuration.
pub(super) struct LocalCluster {
    cell: Arc<health::Cell>,
    turn: Cell<u64>,
    /// TLS context of its endpoints, or the reason why there is none; `None`: plaintext.
    tls: Option<Result<TlsContext, ContextError>>,
    /// Numbers of this worker's connections to each endpoint; shared between versions.
    loads: Box<[Rc<Cell<u32>>]>,
}

impl LocalCluster {
    /// Creates a cluster at its first turn.
    pub(super) fn new(cell: Arc<health::Cell>, turn: u64, contexts: &Contexts) -> Self {
        let loads = cell.cluster().endpoints.iter().map(|_| Rc::default()).collect();
        Self { tls: tls_of(&cell, contexts), cell, turn: Cell::new(turn), loads }
    }

    /// Returns the cluster for another version of the configuration.
    pub(super) fn carried_over(&self, cell: Arc<health::Cell>, contexts: &Contexts) -> Self {
        let names = self.cell.cluster().endpoints.iter().map(ToString::to_string);
        let known: BTreeMap<String, &Rc<Cell<u32>>> = names.zip(&self.loads).collect();
        let load = |endpoint: String| known.get(&endpoint).map(|load| Rc::clone(load)).unwrap_or_default();
        let loads = cell.cluster().endpoints.iter().map(|endpoint| load(endpoint.to_string())).collect();
        Self { tls: tls_of(&cell, contexts), cell, turn: Cell::new(self.turn.get()), loads }
    }

    /// Part that is shared with the checker.
    pub(super) fn cell(&self) -> &Arc<health::Cell> {
        &self.cell
    }

    /// TLS context of its endpoints, or the reason why there is none; `None`: plaintext.
    pub(super) fn tls(&self) -> Option<&Result<TlsContext, ContextError>> {
        self.tls.as_ref()
    }

    /// Evaluates a question about its current state.
    pub(super) fn ask<A>(&self, question: impl FnOnce(&ClusterState<'_>) -> A) -> A {
        let load = |endpoint: usize| self.loads.get(endpoint).map_or(0, |load| load.get());
        let roster = self.cell.roster();
        question(&ClusterState { roster: &roster, turn: self.turn.get(), load: &load })
    }

    /// Records that a connection took a turn.
    pub(super) fn advance(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }

    /// Books a connection to an endpoint.
    pub(super) fn book(&self, endpoint: usize) -> Result<Booking, ReachedLimit> {
        let [connection, pending] = self.cell.take_places()?;
        let load = self.loads.get(endpoint).map(Rc::clone).unwrap_or_default();
        load.set(load.get() + 1);
        Ok(Booking { load, _connection: connection, pending })
    }
}

fn tls_of(cell: &health::Cell, contexts: &Contexts) -> Option<Result<TlsContext, ContextError>> {
    cell.cluster().tls.as_ref().map(|tls| contexts.client(tls))
}

/// Booked connection of an endpoint, established or not; until it is dropped.
pub(super) struct Booking {
    load: Rc<Cell<u32>>,
    _connection: Option<Place>,
    pending: Option<Place>,
}

impl Booking {
    /// Records that the connection is established.
    pub(super) fn established(&mut self) {
        self.pending = None;
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.load.set(self.load.get().saturating_sub(1));
    }
}
