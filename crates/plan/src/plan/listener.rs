//! Where a proxy takes connections, and what it does with each.

use std::sync::Arc;

use model::topology::Protocol;
use model::{ResourceId, Tags};

use super::{ConnectionSettings, Match, Naming, Route, Session, Terminated};

/// One address and port on which a proxy takes connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Its name: `inbound:<ip>:<port>`, `outbound:<ip>:<port>` or a KRI under unified naming (spec 04 §5.4), of gateways
    /// `<gateway name>:<TCP|TLS>:<port>`.
    pub name: String,
    /// Where connections come in.
    pub bind: Bind,
    /// Whose connections they are.
    pub direction: Direction,
    /// The service behind it, as logs and statistics call it: what is dialled, or on other listeners what the proxy stands
    /// for; may be empty.
    pub service: String,
    /// What is spoken on it (spec 04 §3).
    pub protocol: Protocol,
    /// What clients must show before anything is passed on.
    pub accepts: Accepts,
    /// How its connections are treated.
    pub settings: ConnectionSettings,
    /// What is done with which connections: the first match decides, so the most exact one comes first. Connections that
    /// nothing matches are refused.
    pub routes: Vec<(Match, Route)>,
    /// What only the reference's own data plane, or who compares with the reference, needs to know.
    pub naming: Naming,
}

/// Where connections come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bind {
    /// The IP address.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether the kernel redirects connections for that place to the proxy (transparent proxying), which does not open the
    /// port itself.
    pub captured: bool,
}

/// Whose connections a listener takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Of the mesh, to the application beside the proxy.
    Inbound,
    /// Of the application, into the mesh.
    Outbound(Destination),
    /// Of the outside, into the mesh: a builtin gateway.
    Gateway,
    /// Of proxies of the mesh, passed on: a zone ingress or egress.
    Zone,
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

/// What a listener wants from clients before it passes anything on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Accepts {
    /// Nothing: bytes are passed on as they come.
    Plaintext,
    /// TLS between proxies of the mesh; while the mesh moves over, plaintext too.
    Mtls(Arc<Terminated>),
    /// TLS that names a server: the match that claims the name says who ends the session.
    ServerName,
}

impl Bind {
    /// A place that the proxy opens itself.
    pub(crate) fn opened(address: impl Into<String>, port: u16) -> Self {
        Self { address: address.into(), port, captured: false }
    }
}

impl Listener {
    /// What an outbound dials; absent on other listeners.
    pub fn destination(&self) -> Option<&Destination> {
        match &self.direction {
            Direction::Outbound(destination) => Some(destination),
            Direction::Inbound | Direction::Gateway | Direction::Zone => None,
        }
    }

    /// Every way in which TLS of the mesh ends at it: for all connections, or for those of a server name.
    pub fn terminated(&self) -> impl Iterator<Item = &Arc<Terminated>> {
        let for_all = match &self.accepts {
            Accepts::Mtls(terminated) => Some(terminated),
            Accepts::Plaintext | Accepts::ServerName => None,
        };
        let by_name = self.routes().filter_map(|route| match &route.session {
            Some(Session::Mtls(terminated)) => Some(terminated),
            Some(_) | None => None,
        });
        for_all.into_iter().chain(by_name)
    }

    /// Whether some of its routes are for connections that come from certain addresses.
    pub fn matches_sources(&self) -> bool {
        self.routes.iter().any(|(claimed, _)| claimed.source.is_some())
    }

    /// Its routes, whatever they match.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(|(_, route)| route)
    }
}
