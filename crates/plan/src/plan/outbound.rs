//! What the application dials, and where its connections go.

use model::topology::Protocol;
use model::{ResourceId, Tags};

use super::{Backend, ConnectionSettings, Considered, PolicyOrigin, SplitSettings};

/// One destination that the application dials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The listener's name: `outbound:<ip>:<port>`, or a KRI under unified naming (spec 04 §5.4).
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port that the proxy listens on.
    pub port: u16,
    /// Whether the proxy binds the port itself; not with transparent proxying.
    pub bind: bool,
    /// What is dialled.
    pub destination: Destination,
    /// The name in statistics: the service tag, the destination name, or the KRI.
    pub stat_name: String,
    /// Whether the listener is named by the KRI of what is dialled (unified naming, spec 04 §5.4).
    pub unified: bool,
    /// What the listener is marked with: the tags of the outbound, or the unified name (spec 04 §5.4).
    pub marks: Tags,
    /// Whether Kafka requests are counted on the way (2.6 to 2.14, spec 04 §6).
    pub counts_kafka: bool,
    /// What the destination speaks (spec 04 §3).
    pub protocol: Protocol,
    /// Who decides where its connections go (spec 04 §4).
    pub owner: Owner,
    /// Where its connections go, in the order of the backendRefs.
    pub split: Vec<Backend>,
    /// What the route that made the split declares about it.
    pub split_settings: SplitSettings,
    /// Why connections are refused, in words, when no backend of the split takes any.
    pub refusal: Option<String>,
    /// Whether the reference gives this outbound no listener at all, so that the connection may leave the mesh around
    /// the proxy (spec 04 §4.4). It is a listener that refuses everywhere else.
    pub reference_omits: bool,
    /// How its connections are treated.
    pub connections: ConnectionSettings,
    /// Every route policy that was considered for it and what became of it, most important first.
    pub considered: Vec<Considered>,
}

/// What an outbound dials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A service of the tag-based model, with all tags of the outbound.
    Tags(Tags),
    /// A real service.
    Resource {
        /// The service and its port, as section the port's effective name.
        id: ResourceId,
        /// Its destination name (spec 04 §5.2), whatever the naming in use.
        name: String,
    },
}

/// Who decides where the connections of an outbound go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A MeshTCPRoute conf: the policies that were merged into it; the last one contributed the backendRefs.
    TcpRoute(Vec<PolicyOrigin>),
    /// No policy: connections go to what was dialled, by default.
    Default,
    /// A TrafficRoute (spec 04 §1.1).
    TrafficRoute(PolicyOrigin),
    /// The TrafficRoute that was made with every mesh before 2.6, and sends each destination to itself; it is taken to
    /// exist where nobody wrote one.
    ImpliedTrafficRoute,
    /// TrafficRoutes decide, and none of them is for this proxy and destination: connections are refused.
    NoTrafficRoute,
    /// MeshHTTPRoute policies, which own HTTP-like destinations. The split is theirs as far as TCP can say it: when a
    /// single rule catches every request. Otherwise the split is empty and [`Outbound::refusal`] says so.
    HttpRoute(Vec<PolicyOrigin>),
    /// An HTTP-like destination without any route: left to the HTTP default, which is the dialled service.
    HttpDefault,
}

impl Owner {
    /// The policy that decided: of several the one that contributed the backendRefs; absent when nobody did.
    pub fn decided_by(&self) -> Option<&PolicyOrigin> {
        match self {
            Owner::TcpRoute(origins) | Owner::HttpRoute(origins) => origins.last(),
            Owner::TrafficRoute(policy) => Some(policy),
            Owner::Default | Owner::HttpDefault | Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute => None,
        }
    }
}

impl Outbound {
    /// Whether the reference makes its listener together with its TCP routes, instead of leaving it to other policies
    /// (spec 04 §4).
    pub fn belongs_to_tcp_routes(&self) -> bool {
        match self.owner {
            Owner::TcpRoute(_) | Owner::Default => !self.reference_omits,
            Owner::TrafficRoute(_)
            | Owner::ImpliedTrafficRoute
            | Owner::NoTrafficRoute
            | Owner::HttpRoute(_)
            | Owner::HttpDefault => false,
        }
    }
}
