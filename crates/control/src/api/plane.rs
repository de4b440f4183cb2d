//! What runs: the API's look at the fleet.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dialect::envoy::EnvoyOptions;
use model::ProxyKey;
use tokio::sync::watch;
use xds::{Family, ResourceSet};

use crate::compile::Compiled;
use crate::discovery::{ProxyStatus, Statuses};
use crate::fleet::{Fleet, FleetReport, Rollout, report};
use crate::store::Revision;

/// What runs, and what proxies say about it.
#[derive(Clone)]
pub struct Plane {
    fleet: Arc<Mutex<Fleet>>,
    statuses: Arc<Statuses>,
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").finish_non_exhaustive()
    }
}

impl Plane {
    /// A look at a fleet and at what its proxies say.
    pub fn new(fleet: Arc<Mutex<Fleet>>, statuses: Arc<Statuses>) -> Self {
        Self { fleet, statuses }
    }

    /// What every proxy should run.
    pub(super) async fn compiled(&self) -> Option<Arc<Compiled>> {
        self.look(|fleet| Arc::clone(fleet.compiled())).await
    }

    /// How Envoy is told what it must do.
    pub(super) async fn envoy(&self) -> Option<EnvoyOptions> {
        self.look(Fleet::envoy).await
    }

    /// What a proxy was told last, in its own dialect.
    pub(super) async fn told(&self, proxy: &ProxyKey) -> Option<(Family, Arc<ResourceSet>)> {
        let proxy = proxy.clone();
        let found = self.look(move |fleet| {
            let told =
                |family| Some((family, Arc::clone(&fleet.served().get(&(proxy.clone(), family))?.resources)));
            told(Family::Envoy).or_else(|| told(Family::L4))
        });
        found.await.flatten()
    }

    /// How every proxy and route is.
    pub(super) async fn report(&self) -> Option<FleetReport> {
        let statuses = self.statuses.all();
        self.look(move |fleet| report(fleet, &statuses)).await
    }

    pub(super) fn statuses(&self) -> BTreeMap<ProxyKey, ProxyStatus> {
        self.statuses.all()
    }

    /// Changes whenever a revision is adopted or a rollout moves on.
    pub(super) async fn moves(&self) -> Option<watch::Receiver<u64>> {
        self.look(Fleet::changes).await
    }

    /// How far a revision has come; `None` inside while it is not adopted.
    pub(super) async fn rollout(&self, revision: Revision) -> Option<Option<Rollout>> {
        self.look(move |fleet| fleet.rollout(revision)).await
    }

    /// How far the last revisions have come, the newest last.
    pub(super) async fn rollouts(&self) -> Option<Vec<Rollout>> {
        self.look(|fleet| fleet.rollouts().collect()).await
    }

    /// Looks on a thread that may wait for the turn of the compile loop to end. `None`: the process is ending.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&Fleet) -> T + Send + 'static) -> Option<T> {
        let fleet = Arc::clone(&self.fleet);
        // a turn leaves each proxy either as it was or as it should be
        let work = move || look(&fleet.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.ok()
    }
}
