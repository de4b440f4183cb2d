//! MeshTCPRoute: backendRefs with weights (spec 01 §2), for all or for matched connections.

use super::ConnectionMatch;
use super::merge::said;
use crate::reference::BackendRef;

said! {
    /// Conf of a MeshTCPRoute about a destination: its rule without matches, or a route to the destination itself
    /// if it has no rule (spec 01 §2.4); and its rules with matches.
    TcpRouteConf {
        /// Backends of connections that no match takes, in the order of the policy; absent: no rule has any.
        backend_refs: Vec<BackendRef>,
        /// Index of the rule that has them; absent: the first.
        rule: u32,
        /// Rules with matches, in the order of the policy; absent: there are none.
        matched: Vec<MatchedRule>,
    }
}

/// Rule of a MeshTCPRoute with matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchedRule {
    /// Index in the list of rules.
    pub rule: usize,
    /// Matches, any of which suffices.
    pub matches: Vec<ConnectionMatch>,
    /// Backends of the connections, in the order of the policy.
    pub backend_refs: Vec<BackendRef>,
}

impl TcpRouteConf {
    /// Backends of connections that no match takes; empty: no rule has any.
    pub fn backends(&self) -> &[BackendRef] {
        self.backend_refs.as_deref().unwrap_or_default()
    }

    /// Rules with matches.
    pub fn matched(&self) -> &[MatchedRule] {
        self.matched.as_deref().unwrap_or_default()
    }
}
