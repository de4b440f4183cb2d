//! Status of the loop for the admin server: one immutable value, swapped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use change::compile::{Compiled, Row, carried};
use control::run::{ControlLoop, Turn};
use control::sources::SourceState;
use model::Problems;
use plan::{Plan, ProxyId};
use tokio::sync::watch;

use super::{OwnNews, OwnProxy};

/// Status as the admin server reports it.
#[derive(Default)]
pub(crate) struct Status {
    current: Mutex<Arc<Report>>,
    leaving: AtomicBool,
    published: watch::Sender<()>,
}

/// State after a turn.
#[derive(Clone, Default)]
pub(crate) struct Report {
    /// Generation of the running configuration.
    pub(crate) generation: u64,
    /// `true`: a configuration runs.
    pub(crate) runnable: bool,
    /// State of every proxy; `None`: none yet.
    pub(crate) compiled: Option<Arc<Compiled>>,
    /// Listeners of all proxies.
    pub(crate) rows: Vec<Row>,
    /// Files with the state of their content.
    pub(crate) files: Vec<(Arc<str>, SourceState)>,
    /// All problems.
    pub(crate) problems: Problems,
    /// Listeners that cannot be bound.
    pub(crate) failed: Vec<String>,
    /// Number of changes applied since the start.
    pub(crate) changes: u64,
}

impl Report {
    /// Plan of each proxy.
    pub(crate) fn plans(&self) -> BTreeMap<ProxyId, Arc<Plan>> {
        let proxies = self.compiled.iter().flat_map(|compiled| &compiled.proxies);
        proxies.map(|(key, proxy)| (key.clone(), Arc::clone(&proxy.plan))).collect()
    }
}

impl Status {
    pub(crate) fn publish(&self, live: &ControlLoop<OwnProxy>, turn: &Turn<OwnNews>) {
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

    /// Watch that changes whenever a report is published.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    pub(crate) fn report(&self) -> Arc<Report> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces that no new connections are accepted from now on. Returns `true` if that is the first time.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        !self.leaving.swap(true, Relaxed)
    }

    /// Reason not to send connections here now; `None`: ready.
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
