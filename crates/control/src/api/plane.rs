//! What runs: the API's look at the fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use change::status::ProxyStatus;
use model::ProxyKey;
use tokio::sync::watch;
use xds::{Family, ResourceSet};

use crate::discovery::Statuses;
use crate::fleet::Standing;

/// What runs, and what proxies say about it.
#[derive(Clone, Debug)]
pub struct Plane {
    standing: watch::Receiver<Arc<Standing>>,
    statuses: Arc<Statuses>,
}

impl Plane {
    /// A look at a fleet and at what its proxies say.
    pub fn new(standing: watch::Receiver<Arc<Standing>>, statuses: Arc<Statuses>) -> Self {
        Self { standing, statuses }
    }

    /// How the fleet stands now.
    pub(super) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// How it stands, as often as that changes.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }

    /// What a proxy was told last, in its own dialect; `None`: nothing.
    pub(super) fn told(&self, proxy: &ProxyKey) -> Option<(Family, Arc<ResourceSet>)> {
        let standing = self.standing();
        let told = |family| {
            let served = standing.served.get(&(proxy.clone(), family))?;
            Some((family, Arc::clone(&served.resources)))
        };
        told(Family::Envoy).or_else(|| told(Family::L4))
    }

    pub(super) fn statuses(&self) -> BTreeMap<ProxyKey, ProxyStatus> {
        self.statuses.all()
    }
}
