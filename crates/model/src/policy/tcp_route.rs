//! MeshTCPRoute: which backendRefs, with which weights (spec 01 §2).

use super::merge::said;
use crate::reference::BackendRef;

said! {
    /// What a MeshTCPRoute says about a destination: its only rule, or a route to the destination itself when it has none
    /// (spec 01 §2.4).
    TcpRouteConf {
        /// Where connections go, in the order of the policy; absent: a rule that says nothing.
        backend_refs: Vec<BackendRef>,
    }
}

impl TcpRouteConf {
    /// Where connections go; none where nobody says.
    pub fn backends(&self) -> &[BackendRef] {
        self.backend_refs.as_deref().unwrap_or_default()
    }
}
