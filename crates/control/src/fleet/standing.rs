//! How a fleet stands at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::Revision;
use change::compile::Compiled;
use change::report::{FleetReport, Served, ServedAll, report};
use change::rollout::{Rollout, Rollouts};
use change::status::ProxyStatus;
use dialect::envoy::EnvoyOptions;
use jiff::Timestamp;
use model::ProxyKey;

/// How a fleet stands at one moment: what every proxy should run, what those that are attached were told, and how far
/// the last revisions have come. A copy shares everything that is large.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The revision that was adopted last; [`Revision::ZERO`]: none yet.
    pub revision: Revision,
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

    /// How far a revision has come; of several that were adopted together, all have come equally far. `None` while it is
    /// not adopted. Of the revisions before the last 32 the oldest of these answers.
    pub fn rollout(&self, revision: Revision) -> Option<Rollout> {
        self.rollouts.of(revision)
    }

    /// How every proxy and every route is.
    pub fn report(&self, statuses: &BTreeMap<ProxyKey, ProxyStatus>) -> FleetReport {
        let Self { revision, compiled, served, rollouts } = self;
        report(*revision, rollouts.all().next_back(), compiled, served, statuses)
    }

    /// The newest revision that a proxy runs; `None`: none that is known.
    pub fn runs(&self, proxy: &ProxyKey, status: &ProxyStatus) -> Option<Revision> {
        self.served(proxy, status)?.runs(status, self.revision)
    }

    /// Whether a proxy says that it runs what it was told last.
    pub fn is_live(&self, proxy: &ProxyKey, status: &ProxyStatus) -> bool {
        self.served(proxy, status).is_some_and(|served| served.is_run_by(status))
    }

    /// Since when a proxy has answered everything that it was told last; `None`: it has not.
    pub(super) fn is_settled(&self, proxy: &ProxyKey, status: &ProxyStatus) -> Option<Timestamp> {
        let (version, at) = status.settled?;
        (self.served(proxy, status)?.version == version).then_some(at)
    }

    /// What a proxy was told last, in the dialect that it speaks now.
    fn served(&self, proxy: &ProxyKey, status: &ProxyStatus) -> Option<&Served> {
        let family = status.connection.as_ref()?.dialect;
        self.served.get(&(proxy.clone(), family)).map(|served| &**served)
    }
}
