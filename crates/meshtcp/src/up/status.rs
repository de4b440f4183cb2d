//! What the loop tells the admin server: one immutable value, swapped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use change::compile::{Compiled, Row, carried};
use control::run::{Live, Turn};
use control::sources::SourceState;
use model::Problems;
use plan::{Plan, ProxyId};
use tokio::sync::watch;

use super::{OwnNews, OwnProxy};

/// What runs, as the admin server tells it.
#[derive(Default)]
pub(crate) struct Status {
    current: Mutex<Arc<Report>>,
    leaving: AtomicBool,
    published: watch::Sender<()>,
}

/// The state after a turn.
#[derive(Clone, Default)]
pub(crate) struct Report {
    /// The number of the configuration that runs.
    pub(crate) generation: u64,
    /// Whether anything runs at all.
    pub(crate) runnable: bool,
    /// What every proxy runs; `None`: nothing yet.
    pub(crate) compiled: Option<Arc<Compiled>>,
    /// The listeners of all proxies.
    pub(crate) rows: Vec<Row>,
    /// The files and what is in force of them.
    pub(crate) files: Vec<(Arc<str>, SourceState)>,
    /// All that is wrong.
    pub(crate) problems: Problems,
    /// Listeners that cannot be bound.
    pub(crate) failed: Vec<String>,
    /// How many changes were taken over since the start.
    pub(crate) changes: u64,
}

impl Report {
    /// Each proxy's plan.
    pub(crate) fn plans(&self) -> BTreeMap<ProxyId, Arc<Plan>> {
        let proxies = self.compiled.iter().flat_map(|compiled| &compiled.proxies);
        proxies.map(|(key, proxy)| (key.clone(), Arc::clone(&proxy.plan))).collect()
    }
}

impl Status {
    pub(crate) fn publish(&self, live: &Live<OwnProxy>, turn: &Turn<OwnNews>) {
        let before = self.report().changes;
        let report = Report {
            generation: live.sink().generation(),
            runnable: live.compiled().is_some_and(|compiled| compiled.is_runnable()),
            rows: live.compiled().into_iter().flat_map(|it| it.proxies.values()).flat_map(carried).collect(),
            compiled: live.compiled().cloned(),
            files: live.source().states(),
            problems: live.problems().clone(),
            failed: live.sink().failed().to_vec(),
            changes: before + turn.changes.len() as u64,
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(report);
        self.published.send_replace(());
    }

    /// Changes whenever a report is published.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    pub(crate) fn report(&self) -> Arc<Report> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that no new connections are taken from now on. Whether nobody has said so before.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        !self.leaving.swap(true, Relaxed)
    }

    /// Why not to send connections here now, if so.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        let report = self.report();
        if self.leaving.load(Relaxed) {
            Some("leaving")
        } else if !report.runnable {
            Some("nothing to run yet")
        } else if !report.failed.is_empty() {
            Some("a listener cannot be bound")
        } else {
            None
        }
    }
}
