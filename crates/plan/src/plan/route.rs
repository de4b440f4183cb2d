//! Where connections go, and who decided so.

use std::fmt;

use super::{Backend, Considered, PolicyOrigin, Session, SplitSettings};

/// Why a gateway listener without any rule refuses connections.
pub const NO_GATEWAY_ROUTE: &str = "no MeshTCPRoute speaks about this gateway listener";

/// What is done with connections: of an inbound, an outbound, a gateway or a zone proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Who decides (spec 04 §4).
    pub owner: Owner,
    /// Which rule of the item that decides says so; absent where nobody decides, or where items have no rules.
    pub rule: Option<RulePlace>,
    /// Who ends the TLS of its connections, where they are told apart by the server name; absent: nobody looks at it.
    pub session: Option<Session>,
    /// Where connections go: in the order of the backendRefs, on gateways without TLS by cluster name (spec 04 §12.2).
    pub split: Vec<Backend>,
    /// What the route that made the split declares about it; where several did, the first by name.
    pub settings: SplitSettings,
    /// Why connections are refused, in words, when no backend of the split takes any.
    pub refusal: Option<String>,
    /// Every route policy that was considered and what became of it, most important first.
    pub considered: Vec<Considered>,
}

/// A rule of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RulePlace {
    /// Its place in the item.
    pub rule: usize,
    /// Which of its matches takes the connections; absent: it is for all.
    pub matched: Option<usize>,
}

/// Who decides where connections go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A MeshTCPRoute conf: the policies that were merged into it; the last one contributed the backendRefs.
    TcpRoute(Vec<PolicyOrigin>),
    /// No policy: connections go to what was dialled.
    Default,
    /// A TrafficRoute (spec 04 §1.1).
    TrafficRoute(PolicyOrigin),
    /// The TrafficRoute that was made with every mesh before 2.6, and sends each destination to itself; it is taken to
    /// exist where nobody wrote one.
    ImpliedTrafficRoute,
    /// TrafficRoutes decide, and none of them is for this proxy and destination: connections are refused.
    NoTrafficRoute,
    /// MeshHTTPRoute policies, which own HTTP-like destinations. The split is theirs as far as TCP can say it: when a
    /// single rule catches every request. Otherwise the split is empty and [`Route::refusal`] says so.
    HttpRoute(Vec<PolicyOrigin>),
    /// An HTTP-like destination without any route: left to the HTTP default, which is the dialled service.
    HttpDefault,
    /// Nobody, on a gateway, which serves only what some route says: connections are refused.
    Nobody,
}

impl Route {
    /// A route that no policy speaks about: everything goes to one place.
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

    /// The place in the policy that decided, e.g. `to[0].rules[0]` or `to[0].rules[1].matches[0]`; empty where there is none to tell.
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
    /// `.rules[0]`, `.rules[1].matches[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, matched } = self;
        write!(f, ".rules[{rule}]")?;
        matched.map_or(Ok(()), |at| write!(f, ".matches[{at}]"))
    }
}

impl Owner {
    /// The policies that decide, least important first; none when nobody did.
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

    /// The policy that decided: of several the one that contributed the backendRefs; absent when nobody did.
    pub fn decided_by(&self) -> Option<&PolicyOrigin> {
        self.policies().last()
    }
}
