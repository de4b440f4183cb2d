//! From a set of resources to what runs, or to what is wrong with it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::proxy::discovery::refusals;
use ::proxy::{ApplyReport, FailedListener};
use l4::{Config, ProxyName};
use plan::ProxyId;
use tokio::sync::watch;
use xds::proto::l4::Listener;
use xds::{Refusal, ResourceSet, TypeUrl};

use super::state::State;
use crate::data_path::DataPath;
use crate::output::{complain, print};

/// How often to look whether an address is free that could not be bound.
const RETRY: Duration = Duration::from_secs(1);

/// What is carried now.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// The number of the configuration that runs; 0: none has come yet.
    pub(super) generation: u64,
    /// Addresses that were asked for and could not be bound.
    pub(super) unbound: BTreeSet<SocketAddr>,
}

/// Runs what the control plane says.
pub(super) struct Follower {
    name: ProxyName,
    data_path: Arc<DataPath>,
    state: Option<State>,
    /// What runs.
    good: Config,
    carried: watch::Sender<Carried>,
}

impl Follower {
    pub(super) fn new(key: &ProxyId, data_path: Arc<DataPath>, state: Option<State>) -> Self {
        let name = ProxyName::new(key.to_string());
        Self { name, data_path, state, good: Config::default(), carried: watch::Sender::default() }
    }

    /// What is carried, now and from now on.
    pub(super) fn carried(&self) -> watch::Receiver<Carried> {
        self.carried.subscribe()
    }

    /// Runs what was good when this proxy ran last. Says what is wrong with it, and goes on without.
    pub(super) fn start_from_disk(&mut self) {
        let Some(state) = &self.state else { return };
        let set = match state.load() {
            Ok(Some(set)) => set,
            Ok(None) => return,
            Err(problem) => return complain(&format!("warning: {problem}; waiting for the control plane\n")),
        };
        match Config::parse(&[(self.name.clone(), &set)]) {
            Ok(config) => {
                let report = self.data_path.apply(config.clone());
                print(&format!("started from {state}: {}\n", in_words(&report)));
                report.failed.iter().for_each(|failed| complain(&format!("error: {failed}\n")));
                self.good = config;
                self.carried.send_modify(|carried| carried.generation = report.generation);
            }
            Err(problems) => complain(&format!("warning: {state} cannot be run: {problems}\n")),
        }
    }

    /// Runs a set, or says what of it cannot run, and goes on with what ran before.
    pub(super) fn offer(&mut self, set: &Arc<ResourceSet>) -> Result<(), Vec<Refusal>> {
        let config = Config::parse(&[(self.name.clone(), set)]).map_err(|problems| {
            complain(&format!("error: refused what the control plane says: {problems}\n"));
            refusals(&problems)
        })?;
        let report = self.data_path.apply(config.clone());
        if !report.failed.is_empty() {
            // what could be opened of it is closed again: a set runs as a whole, or not
            self.data_path.apply(self.good.clone());
            report.failed.iter().for_each(|failed| complain(&format!("error: {failed}\n")));
            let addresses = report.failed.iter().map(|failed| failed.listener.address);
            self.carried.send_modify(|carried| carried.unbound.extend(addresses));
            return Err(report.failed.iter().map(refusal).collect());
        }
        let wanted: BTreeSet<SocketAddr> =
            config.listeners().iter().map(|listener| listener.address).collect();
        self.carried.send_modify(|carried| {
            carried.generation = report.generation;
            carried.unbound.retain(|address| !wanted.contains(address));
        });
        self.good = config;
        print(&format!("configuration {}: {}\n", report.generation, in_words(&report)));
        if let Some(Err(problem)) = self.state.as_mut().map(|state| state.save(set)) {
            complain(&format!("warning: {problem}\n"));
        }
        Ok(())
    }
}

fn in_words(report: &ApplyReport) -> String {
    let ApplyReport { generation: _, opened, kept, closed, failed: _ } = report;
    let (opened, kept, closed) = (opened.len(), kept.len(), closed.len());
    format!("{opened} listeners opened, {kept} kept, {closed} closed")
}

fn refusal(failed: &FailedListener) -> Refusal {
    Refusal {
        type_url: TypeUrl::of::<Listener>(),
        name: failed.listener.name.to_string(),
        reason: format!(
            "{} cannot be bound for {}: {}",
            failed.listener.address,
            failed.listener.proxy,
            failed.why()
        ),
    }
}

/// Waits until one of the addresses that could not be bound can be.
pub(super) async fn one_is_free(mut carried: watch::Receiver<Carried>) -> SocketAddr {
    loop {
        // the sender lives in the follower, which outlives this
        let _ = carried.wait_for(|carried| !carried.unbound.is_empty()).await;
        tokio::time::sleep(RETRY).await;
        let addresses = carried.borrow_and_update().unbound.clone();
        for address in addresses {
            if std::net::TcpListener::bind(address).is_ok() {
                return address;
            }
        }
    }
}
