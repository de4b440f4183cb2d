//! Routes: the split of connections between backends, and the policy that decided so.

use std::fmt;

use super::{Backend, Considered, PolicyOrigin, SplitSettings, TlsTermination};

/// Reason why a gateway listener without any rule refuses connections.
pub const NO_GATEWAY_ROUTE: &str = "no MeshTCPRoute speaks about this gateway listener";

/// Route of connections: of an inbound, an outbound, a gateway or a zone proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Policy or default that decides (spec 04 §4).
    pub owner: Owner,
    /// Rule of the deciding item; absent: no policy decides, or its items have no rules.
    pub rule: Option<RulePlace>,
    /// Party that ends the TLS of its connections, where they are told apart by the server name; absent: the server
    /// name is not read.
    pub session: Option<TlsTermination>,
    /// Backends of the split: in the order of the backendRefs, on gateways without TLS by cluster name (spec 04
    /// §12.2).
    pub split: Vec<Backend>,
    /// Settings that the route that made the split declares about it; of several the first by name.
    pub settings: SplitSettings,
    /// Reason why connections are refused, in words; absent: some backend of the split accepts them.
    pub refusal: Option<String>,
    /// Every route policy that was considered, with its outcome, most important first.
    pub considered: Vec<Considered>,
}

/// Place of a rule in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RulePlace {
    /// Index of the rule in the item.
    pub rule: usize,
    /// Index of the match that takes the connections; absent: the rule is for all.
    pub matched: Option<usize>,
}

/// Policy or default that decides where connections go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// MeshTCPRoute conf: the policies that were merged into it; the last one contributed the backendRefs.
    TcpRoute(Vec<PolicyOrigin>),
    /// No policy: connections go to the dialled destination.
    Default,
    /// TrafficRoute (spec 04 §1.1).
    TrafficRoute(PolicyOrigin),
    /// TrafficRoute that was created with every mesh before 2.6, and sends each destination to itself; it is
    /// assumed where a mesh has none.
    ImpliedTrafficRoute,
    /// TrafficRoutes decide, and none of them selects this proxy and destination: connections are refused.
    NoTrafficRoute,
    /// MeshHTTPRoute policies, which own HTTP-like destinations. The split is theirs as far as TCP can express it:
    /// if a single rule catches every request. Otherwise the split is empty and [`Route::refusal`] has the reason.
    HttpRoute(Vec<PolicyOrigin>),
    /// HTTP-like destination without any route: left to the HTTP default, which is the dialled service.
    HttpDefault,
    /// No policy, on a gateway, which serves only what some route says: connections are refused.
    Nobody,
}

impl Route {
    /// A route without any policy: everything goes to one backend.
    pub(crate) fn to(backend: Backend) -> Self {
        Self {
            owner: Owner::Default,
            rule: None,
            session: None,
            split: vec![backend],
            settings: SplitSettings::default(),
            refusal: None,
            considered: Vec::new(),
        }
    }

    /// Returns the place in the policy that decided, e.g. `to[0].rules[0]` or `to[0].rules[1].matches[0]`; empty if
    /// there is none.
    pub fn place(&self) -> String {
        let within = self.rule.map(|rule| rule.to_string()).unwrap_or_default();
        self.owner.decided_by().map(|policy| policy.place(&within)).unwrap_or_default()
    }
}

impl RulePlace {
    /// A rule for all connections.
    pub(crate) fn for_all(rule: usize) -> Self {
        Self { rule, matched: None }
    }
}

impl fmt::Display for RulePlace {
    /// Writes `.rules[0]`, `.rules[1].matches[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, matched } = self;
        write!(f, ".rules[{rule}]")?;
        matched.map_or(Ok(()), |at| write!(f, ".matches[{at}]"))
    }
}

impl Owner {
    /// Policies that decide, least important first; none if no policy does.
    pub fn policies(&self) -> &[PolicyOrigin] {
        match self {
            Owner::TcpRoute(policies) | Owner::HttpRoute(policies) => policies,
            Owner::TrafficRoute(policy) => std::slice::from_ref(policy),
            Owner::Default
            | Owner::HttpDefault
            | Owner::ImpliedTrafficRoute
            | Owner::NoTrafficRoute
            | Owner::Nobody => &[],
        }
    }

    /// Policy that decided: of several the one that contributed the backendRefs; absent: no policy did.
    pub fn decided_by(&self) -> Option<&PolicyOrigin> {
        self.policies().last()
    }
}
