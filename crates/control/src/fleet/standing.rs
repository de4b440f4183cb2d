//! State of a fleet at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::Revision;
use change::compile::Compiled;
use change::replica::{AttachedProxy, Replica};
use change::report::{Served, ServedAll};
use change::rollout::{Rollout, Rollouts};
use change::status::{ProxyStatus, TurnedAway};
use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use plan::ProxyId;

/// State of a fleet at one moment: the desired configuration of every proxy, the last one sent to those that are
/// attached, and the progress of the last revisions. A copy shares everything that is large.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Last adopted revision; [`Revision::ZERO`]: none yet.
    pub revision: Revision,
    /// Epoch of the store that the revision is from; `None`: the store has only one, or reports none.
    pub epoch: Option<Arc<str>>,
    /// Desired configuration of all proxies.
    pub compiled: Arc<Compiled>,
    /// Last published configuration of each attached and known proxy.
    pub served: Arc<ServedAll>,
    /// Progress of the last 32 revisions.
    pub rollouts: Rollouts,
}

impl Standing {
    /// Options for lowering plans for Envoy.
    pub fn envoy(&self) -> EnvoyOptions {
        self.compiled.envoy()
    }

    /// Returns the progress of a revision here; revisions that were adopted together share theirs. `None`: it is not
    /// adopted yet. For a revision before the last 32 the oldest of those answers.
    pub fn rollout(&self, revision: Revision) -> Option<Rollout> {
        self.rollouts.of(revision).map(Rollout::from)
    }

    /// Returns what this control plane knows of its proxies, for its replicas.
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
            // certificates are added separately
            ..Replica::new(name)
        }
    }

    fn account(&self, proxy: &ProxyId, status: ProxyStatus) -> AttachedProxy {
        let told = self.served(proxy, &status);
        AttachedProxy {
            revision: told.map(|told| told.revision),
            is_current: told.is_some_and(|told| told.is_run_by(&status)),
            ran: told.and_then(|told| told.ran),
            notes: told.map(|told| told.notes.clone()).unwrap_or_default(),
            status,
        }
    }

    /// Returns `true` if a proxy reports that it runs the last configuration published for it.
    pub fn is_live(&self, proxy: &ProxyId, status: &ProxyStatus) -> bool {
        self.served(proxy, status).is_some_and(|served| served.is_run_by(status))
    }

    /// Returns the time since when a proxy has answered all of its last configuration; `None`: it has not.
    pub(super) fn is_settled(&self, proxy: &ProxyId, status: &ProxyStatus) -> Option<Timestamp> {
        let (version, at) = status.settled?;
        (self.served(proxy, status)?.version == version).then_some(at)
    }

    /// Returns the last configuration published for a proxy, in its current dialect.
    fn served(&self, proxy: &ProxyId, status: &ProxyStatus) -> Option<&Served> {
        let family = status.connection.as_ref()?.dialect;
        self.served.get(&(proxy.clone(), family)).map(|served| &**served)
    }
}
