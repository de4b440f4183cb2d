//! A cluster as one worker sees it: whose turn it is, and how busy its endpoints are with this worker's connections.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use l4::decide::Standing;
use l4::health::Full;
use tls::{Context, Unusable};

use crate::contexts::Contexts;
use crate::health;
use crate::limits::Place;

/// A cluster as one worker sees it, in one version of the configuration.
pub(super) struct LocalCluster {
    cell: Arc<health::Cell>,
    turn: Cell<u64>,
    /// What its endpoints are spoken to by TLS with, or why that cannot be; `None`: in plaintext.
    tls: Option<Result<Context, Unusable>>,
    /// The connections of this worker to each endpoint; shared between versions.
    loads: Box<[Rc<Cell<u32>>]>,
}

impl LocalCluster {
    /// A cluster at its first turn.
    pub(super) fn new(cell: Arc<health::Cell>, turn: u64, contexts: &Contexts) -> Self {
        let loads = cell.cluster().endpoints.iter().map(|_| Rc::default()).collect();
        Self { tls: tls_of(&cell, contexts), cell, turn: Cell::new(turn), loads }
    }

    /// The same cluster as another version of the configuration has it.
    pub(super) fn carried_over(&self, cell: Arc<health::Cell>, contexts: &Contexts) -> Self {
        let names = self.cell.cluster().endpoints.iter().map(ToString::to_string);
        let known: BTreeMap<String, &Rc<Cell<u32>>> = names.zip(&self.loads).collect();
        let load = |endpoint: String| known.get(&endpoint).map(|load| Rc::clone(load)).unwrap_or_default();
        let loads = cell.cluster().endpoints.iter().map(|endpoint| load(endpoint.to_string())).collect();
        Self { tls: tls_of(&cell, contexts), cell, turn: Cell::new(self.turn.get()), loads }
    }

    /// The part that is shared with the checker.
    pub(super) fn cell(&self) -> &Arc<health::Cell> {
        &self.cell
    }

    /// What its endpoints are spoken to by TLS with, or why that cannot be; `None`: in plaintext.
    pub(super) fn tls(&self) -> Option<&Result<Context, Unusable>> {
        self.tls.as_ref()
    }

    /// Asks how it is doing now.
    pub(super) fn ask<A>(&self, question: impl FnOnce(&Standing<'_>) -> A) -> A {
        let load = |endpoint: usize| self.loads.get(endpoint).map_or(0, |load| load.get());
        let roster = self.cell.roster();
        question(&Standing { roster: &roster, turn: self.turn.get(), load: &load })
    }

    /// Notes that a connection took a turn.
    pub(super) fn advance(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }

    /// Books a connection to an endpoint.
    pub(super) fn book(&self, endpoint: usize) -> Result<Booking, Full> {
        let [connection, pending] = self.cell.take_places()?;
        let load = self.loads.get(endpoint).map(Rc::clone).unwrap_or_default();
        load.set(load.get() + 1);
        Ok(Booking { load, _connection: connection, pending })
    }
}

fn tls_of(cell: &health::Cell, contexts: &Contexts) -> Option<Result<Context, Unusable>> {
    cell.cluster().tls.as_ref().map(|tls| contexts.client(tls))
}

/// A connection that an endpoint has, or is about to have; until it is dropped.
pub(super) struct Booking {
    load: Rc<Cell<u32>>,
    _connection: Option<Place>,
    pending: Option<Place>,
}

impl Booking {
    /// Notes that the connection is established.
    pub(super) fn established(&mut self) {
        self.pending = None;
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.load.set(self.load.get().saturating_sub(1));
    }
}
