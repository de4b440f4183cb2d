//! Follower of the control plane: it turns a set of resources into the running configuration, or into refusals.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::proxy::discovery::refusals;
use ::proxy::{ApplyReport, FailedListener, spire};
use l4::{Config, ProxyName};
use plan::ProxyId;
use tokio::sync::{Notify, watch};
use xds::proto::l4::{AGENT_TRUST, Listener, Secret};
use xds::{RejectedResource, ResourceSet, TypeUrl};

use super::state::State;
use crate::data_path::DataPath;
use crate::output::{complain, print};

/// Interval at which an address that could not be bound is checked.
const RETRY: Duration = Duration::from_secs(1);

/// Advice where no agent has issued a certificate.
const ASK_AGENT: &str = "what ran before goes on. `--spire-agent SOCKET` names the agent, and at its server an entry for this \
    process has that SPIFFE ID";

/// Current configuration of the proxy.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// Generation of the running configuration; 0: none has come yet.
    pub(super) generation: u64,
    /// Addresses that were configured and could not be bound.
    pub(super) unbound: BTreeSet<SocketAddr>,
}

/// Follower that runs what the control plane sends.
pub(super) struct Follower {
    name: ProxyName,
    data_path: Arc<DataPath>,
    state: Option<State>,
    /// Running configuration.
    good: Config,
    /// Set that `good` was made of, without secrets of an agent; `None`: nothing runs.
    offered: Option<Arc<ResourceSet>>,
    /// Secrets of the SPIRE agent beside the proxy.
    of_agent: ResourceSet,
    /// Notified of the agent's next answer after a set was refused for want of its secrets.
    agent_spoke: Arc<Notify>,
    /// `true`: a set was refused for want of the agent's secrets.
    wants_agent: bool,
    carried: watch::Sender<Carried>,
}

impl Follower {
    pub(super) fn new(key: &ProxyId, data_path: Arc<DataPath>, state: Option<State>) -> Self {
        Self {
            name: ProxyName::new(key.to_string()),
            data_path,
            state,
            good: Config::default(),
            offered: None,
            of_agent: ResourceSet::default(),
            agent_spoke: Arc::default(),
            wants_agent: false,
            carried: watch::Sender::default(),
        }
    }

    /// Notified when a set that was refused for want of a SPIRE agent's secrets is worth asking for again.
    pub(super) fn agent_spoke(&self) -> Arc<Notify> {
        Arc::clone(&self.agent_spoke)
    }

    /// Watch of the current configuration.
    pub(super) fn carried(&self) -> watch::Receiver<Carried> {
        self.carried.subscribe()
    }

    /// Runs the last good set from disk. A faulty set is reported and ignored.
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
                (self.good, self.offered) = (config, Some(Arc::new(set)));
                self.carried.send_modify(|carried| carried.generation = report.generation);
            }
            Err(problems) => complain(&format!("warning: {state} cannot be run: {problems}\n")),
        }
    }

    /// Takes the secrets of the SPIRE agent beside the proxy, and runs the current set with them. Certificates that it issued before
    /// and issues no more are kept as long as they are needed.
    pub(super) fn take(&mut self, of_agent: ResourceSet) {
        match self.offered.as_ref().and_then(|set| spire::untold(set, &of_agent)) {
            None => self.of_agent = of_agent,
            Some(why) => {
                complain(&format!("warning: {why}; what it issued before stays in use until it ends\n"));
                self.of_agent = self.of_agent.beside(&of_agent);
            }
        }
        if std::mem::take(&mut self.wants_agent) {
            self.agent_spoke.notify_one();
        }
        if let Some(set) = self.offered.clone() {
            // what is refused is told, and what ran before goes on
            let _ = self.offer(&set);
        }
    }

    /// Runs a set, or returns what of it cannot run and goes on with the previous one.
    pub(super) fn offer(&mut self, set: &Arc<ResourceSet>) -> Result<(), Vec<RejectedResource>> {
        if let Some(reason) = spire::untold(set, &self.of_agent) {
            self.wants_agent = true;
            complain(&format!("error: what the control plane says cannot run yet: {reason}; {ASK_AGENT}\n"));
            let (type_url, name) = (TypeUrl::of::<Secret>(), AGENT_TRUST.to_owned());
            return Err(vec![RejectedResource { type_url, name, reason }]);
        }
        let whole = set.beside(&self.of_agent);
        let config = Config::parse(&[(self.name.clone(), &whole)]).map_err(|problems| {
            complain(&format!("error: refused what the control plane says: {problems}\n"));
            refusals(&problems)
        })?;
        let report = self.data_path.apply(config.clone());
        if !report.failed.is_empty() {
            // the listeners of it that could be opened are closed again: a set runs as a whole, or not at all
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
        (self.good, self.offered) = (config, Some(Arc::clone(set)));
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

fn refusal(failed: &FailedListener) -> RejectedResource {
    RejectedResource {
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
        // the sender lives in the follower, which outlives this task
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
