//! Destinations of a plan, with the context of the proxy that dials them.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::{Cluster, Mtls};

use super::reference::ReferenceDefaults;

/// Destinations of a plan, with the context of the proxy that dials them.
#[derive(Clone, Copy)]
pub(super) struct Destinations<'a> {
    /// Clusters by name.
    pub(super) clusters: &'a BTreeMap<String, Arc<Cluster>>,
    /// Identity of the proxy, and the peers that it trusts; absent: no mesh TLS.
    pub(super) mtls: Option<&'a Mtls>,
    /// Mesh of the proxy.
    pub(super) mesh: &'a str,
    /// `true`: the proxy is at an IPv6 address.
    pub(super) over_ipv6: bool,
    /// Settings of the reference where the plan has none.
    pub(super) unasked: ReferenceDefaults,
}

impl<'a> Destinations<'a> {
    /// Returns the destination of that name.
    pub(super) fn get(self, cluster: &str) -> Option<&'a Cluster> {
        self.clusters.get(cluster).map(AsRef::as_ref)
    }
}
