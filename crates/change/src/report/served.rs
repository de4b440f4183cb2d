//! Last configuration sent to one proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::{Plan, ProxyId};
use xds::{Family, ResourceSet, Version};

use crate::Revision;
use crate::status::ProxyStatus;

/// Last configuration of every attached and known proxy, by proxy and its dialect.
pub type ServedAll = BTreeMap<(ProxyId, Family), Arc<Served>>;

/// Last configuration sent to one proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Plan.
    pub plan: Arc<Plan>,
    /// Plan, encoded in the proxy's dialect.
    pub resources: Arc<ResourceSet>,
    /// Version of `resources`.
    pub version: Version,
    /// Revision of the last change of the configuration.
    pub revision: Revision,
    /// Notes about features that the dialect could not express as asked, in words.
    pub notes: Vec<String>,
    /// Last revision that it ran before this configuration; `None`: unknown.
    pub ran: Option<Revision>,
}

impl Served {
    /// Returns `true` if a proxy reports that it runs this.
    pub fn is_run_by(&self, status: &ProxyStatus) -> bool {
        status.is_in_sync() && status.accepted == Some(self.version)
    }
}
