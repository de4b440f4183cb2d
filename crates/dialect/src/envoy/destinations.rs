//! The destinations of a plan, and who dials them.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::{Cluster, Mtls};

use super::reference::Unasked;

/// The destinations of a plan, and who dials them.
#[derive(Clone, Copy)]
pub(super) struct Destinations<'a> {
    /// By name.
    pub(super) clusters: &'a BTreeMap<String, Arc<Cluster>>,
    /// How proxies of the mesh trust each other.
    pub(super) mtls: Option<&'a Mtls>,
    /// The mesh of the proxy.
    pub(super) mesh: &'a str,
    /// Whether the proxy is at an IPv6 address.
    pub(super) over_ipv6: bool,
    /// What the reference says of them where nobody else does.
    pub(super) unasked: Unasked,
}

impl<'a> Destinations<'a> {
    /// The destination of that name.
    pub(super) fn get(self, cluster: &str) -> Option<&'a Cluster> {
        self.clusters.get(cluster).map(AsRef::as_ref)
    }
}
