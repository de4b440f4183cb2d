//! How a fleet stands at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::Revision;
use change::compile::Compiled;
use change::replica::{Account, Replica};
use change::report::{Served, ServedAll};
use change::rollout::{Rollout, Rollouts};
use change::status::{ProxyStatus, TurnedAway};
use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use plan::ProxyId;

/// How a fleet stands at one moment: what every proxy should run, what those that are attached were told, and how far
/// the last revisions have come. A copy shares everything that is large.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The revision that was adopted last; [`Revision::ZERO`]: none yet.
    pub revision: Revision,
    /// Which life of the store it is of; `None`: it has one only, or does not tell.
    pub epoch: Option<Arc<str>>,
    /// All proxies as they should be.
    pub compiled: Arc<Compiled>,
    /// What each attached and known proxy was told last.
    pub served: Arc<ServedAll>,
    /// How far the last 32 revisions have come.
    pub rollouts: Rollouts,
}

impl Standing {
    /// How Envoy is told what it must do.
    pub fn envoy(&self) -> EnvoyOptions {
        self.compiled.envoy()
    }

    /// How far a revision has come here; of several that were adopted together, all have come equally far. `None` while it
    /// is not adopted. Of the revisions before the last 32 the oldest of these answers.
    pub fn rollout(&self, revision: Revision) -> Option<Rollout> {
        self.rollouts.of(revision).map(Rollout::from)
    }

    /// What this control plane knows of its proxies.
    pub fn replica(
        &self,
        name: Arc<str>,
        statuses: BTreeMap<ProxyId, ProxyStatus>,
        turned_away: Vec<TurnedAway>,
    ) -> Replica {
        let account = |(proxy, status): (ProxyId, ProxyStatus)| {
            let account = Arc::new(self.account(&proxy, status));
            (proxy, account)
        };
        Replica {
            revision: self.revision,
            epoch: self.epoch.clone(),
            proxies: statuses.into_iter().map(account).collect(),
            rollouts: self.rollouts.all().collect(),
            turned_away,
            // certificates are made beside it
            ..Replica::new(name)
        }
    }

    fn account(&self, proxy: &ProxyId, status: ProxyStatus) -> Account {
        let told = self.served(proxy, &status);
        Account {
            revision: told.map(|told| told.revision),
            is_current: told.is_some_and(|told| told.is_run_by(&status)),
            ran: told.and_then(|told| told.ran),
            notes: told.map(|told| told.notes.clone()).unwrap_or_default(),
            status,
        }
    }

    /// Whether a proxy says that it runs what it was told last.
    pub fn is_live(&self, proxy: &ProxyId, status: &ProxyStatus) -> bool {
        self.served(proxy, status).is_some_and(|served| served.is_run_by(status))
    }

    /// Since when a proxy has answered everything that it was told last; `None`: it has not.
    pub(super) fn is_settled(&self, proxy: &ProxyId, status: &ProxyStatus) -> Option<Timestamp> {
        let (version, at) = status.settled?;
        (self.served(proxy, status)?.version == version).then_some(at)
    }

    /// What a proxy was told last, in the dialect that it speaks now.
    fn served(&self, proxy: &ProxyId, status: &ProxyStatus) -> Option<&Served> {
        let family = status.connection.as_ref()?.dialect;
        self.served.get(&(proxy.clone(), family)).map(|served| &**served)
    }
}
