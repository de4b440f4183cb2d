//! MeshTCPRoute: which backendRefs, with which weights (spec 01 §2), for which connections.

use super::ConnectionMatch;
use super::merge::said;
use crate::reference::BackendRef;

said! {
    /// What a MeshTCPRoute says about a destination: its rule without matches, or a route to the destination itself when it has
    /// no rule (spec 01 §2.4); and its rules with matches.
    TcpRouteConf {
        /// Where connections go that no match takes, in the order of the policy; absent: no rule says so.
        backend_refs: Vec<BackendRef>,
        /// Which of its rules says so; absent: the first.
        rule: u32,
        /// The rules for some connections, in the order of the policy; absent: there are none.
        matched: Vec<MatchedRule>,
    }
}

/// A rule of a MeshTCPRoute for some connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MatchedRule {
    /// Its place in the list of rules.
    pub rule: usize,
    /// Which connections it is for: any of these.
    pub matches: Vec<ConnectionMatch>,
    /// Where they go, in the order of the policy.
    pub backend_refs: Vec<BackendRef>,
}

impl TcpRouteConf {
    /// Where connections go that no match takes; none where nobody says.
    pub fn backends(&self) -> &[BackendRef] {
        self.backend_refs.as_deref().unwrap_or_default()
    }

    /// The rules for some connections.
    pub fn matched(&self) -> &[MatchedRule] {
        self.matched.as_deref().unwrap_or_default()
    }
}
