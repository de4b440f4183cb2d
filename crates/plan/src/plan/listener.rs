//! Listeners: the addresses on which a proxy accepts connections, and the routes of those connections.

use std::sync::Arc;

use model::topology::Protocol;
use model::{ResourceId, Tags};

use super::{ConnectionSettings, Match, Naming, Route, Terminated, TlsTermination};

/// One address and port on which a proxy accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// Name of the listener: `inbound:<ip>:<port>`, `outbound:<ip>:<port>` or a KRI under unified naming (spec 04
    /// §5.4), of gateways `<gateway name>:<TCP|TLS>:<port>`.
    pub name: String,
    /// Address that it listens on.
    pub bind: Bind,
    /// Direction of its connections.
    pub direction: Direction,
    /// Service of the listener in logs and statistics: what is dialled, or on other listeners what the proxy stands
    /// for; may be empty.
    pub service: String,
    /// Protocol of the connections (spec 04 §3).
    pub protocol: Protocol,
    /// TLS that clients must use.
    pub accepts: ListenerTls,
    /// Settings of its connections.
    pub settings: ConnectionSettings,
    /// Routes by match: the first match decides, so the most exact one comes first. Connections that match none are
    /// refused.
    pub routes: Vec<(Match, Route)>,
    /// Names that only the reference's data plane and comparisons with it need.
    pub naming: Naming,
}

/// Address that a listener accepts connections on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bind {
    /// IP address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// `true`: the kernel redirects connections for that address to the proxy (transparent proxying), which does
    /// not open the port itself.
    pub captured: bool,
}

/// Direction of the connections of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the mesh, to the application beside the proxy.
    Inbound,
    /// From the application, into the mesh.
    Outbound(Destination),
    /// From outside, into the mesh: a builtin gateway.
    Gateway,
    /// From proxies of the mesh, passed on: a zone ingress or egress.
    Zone,
}

/// Destination that an outbound dials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Tag-based service, with all tags of the outbound.
    Tags(Tags),
    /// Real service.
    Resource {
        /// Service and its port; the section is the port's effective name.
        id: ResourceId,
        /// Destination name (spec 04 §5.2), whatever the naming in use.
        name: String,
    },
}

/// TLS that a listener requires of clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenerTls {
    /// None: bytes are passed on as they come.
    Plaintext,
    /// TLS between proxies of the mesh; in permissive mode plaintext too.
    Mtls(Arc<Terminated>),
    /// TLS with a server name: the route that matches the name says who ends the session.
    ServerName,
}

impl Bind {
    /// An address that the proxy opens itself.
    pub(crate) fn opened(address: impl Into<String>, port: u16) -> Self {
        Self { address: address.into(), port, captured: false }
    }
}

impl Listener {
    /// Destination that an outbound dials; absent on other listeners.
    pub fn destination(&self) -> Option<&Destination> {
        match &self.direction {
            Direction::Outbound(destination) => Some(destination),
            Direction::Inbound | Direction::Gateway | Direction::Zone => None,
        }
    }

    /// Returns every termination of mesh TLS at it: for all connections, or for those of a server name.
    pub fn terminated(&self) -> impl Iterator<Item = &Arc<Terminated>> {
        let for_all = match &self.accepts {
            ListenerTls::Mtls(terminated) => Some(terminated),
            ListenerTls::Plaintext | ListenerTls::ServerName => None,
        };
        let by_name = self.routes().filter_map(|route| match &route.session {
            Some(TlsTermination::Mtls(terminated)) => Some(terminated),
            Some(_) | None => None,
        });
        for_all.into_iter().chain(by_name)
    }

    /// Returns its routes, whatever they match.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(|(_, route)| route)
    }
}
