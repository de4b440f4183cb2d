//! What one proxy was told last.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::{Plan, ProxyId};
use xds::{Family, ResourceSet, Version};

use crate::Revision;
use crate::status::ProxyStatus;

/// What every attached and known proxy was told last, by proxy and the dialect that it speaks.
pub type ServedAll = BTreeMap<(ProxyId, Family), Arc<Served>>;

/// What one proxy was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// What it must do.
    pub plan: Arc<Plan>,
    /// The same in its own words.
    pub resources: Arc<ResourceSet>,
    /// The version of `resources`.
    pub version: Version,
    /// The revision that brought the last change of it.
    pub revision: Revision,
    /// What could not be said as asked, in words.
    pub notes: Vec<String>,
    /// The last revision that it ran before it was told this; `None`: none that is known.
    pub ran: Option<Revision>,
}

impl Served {
    /// Whether a proxy says that it runs this.
    pub fn is_run_by(&self, status: &ProxyStatus) -> bool {
        status.is_in_sync() && status.accepted == Some(self.version)
    }
}
