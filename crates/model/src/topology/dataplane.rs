//! Dataplane: a proxy, and what it stands for (spec 01 §4).

use crate::reference::{Labels, RefKind, Tags};
use crate::topology::Protocol;

/// Dataplane: the listeners of a proxy, and the destinations that its application dials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataplane {
    /// Address that other proxies connect to: an IP address or a DNS name.
    pub address: String,
    /// Address that other proxies get instead of `address`; absent: `address`.
    pub advertised_address: Option<String>,
    /// Ports that the application offers.
    pub inbound: Vec<Inbound>,
    /// Destinations that the application dials.
    pub outbound: Vec<DataplaneOutbound>,
    /// Gateway settings; absent: it is not a gateway. A gateway has no inbounds.
    pub gateway: Option<Gateway>,
    /// Redirection of connections to the proxy by the kernel; absent: none.
    pub transparent_proxying: Option<TransparentProxying>,
    /// Zone ingress and egress listeners of a zone proxy (2.14, 3).
    pub listeners: Vec<ZoneListener>,
}

/// Port that the application offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Address that the proxy listens on; absent: `networking.address`.
    pub address: Option<String>,
    /// Port that the proxy listens on.
    pub port: u16,
    /// Address that the application listens on; absent: the proxy's, or 127.0.0.1 where that would be the proxy
    /// itself.
    pub service_address: Option<String>,
    /// Port that the application listens on; absent: `port`.
    pub service_port: Option<u16>,
    /// Name of the port (2.9+).
    pub name: Option<String>,
    /// State of the inbound.
    pub state: InboundState,
    /// Older readiness flag, `health.ready`; absent: ready.
    pub ready: Option<bool>,
    /// Protocol as a field (profile 3, which has no protocol tag any more).
    pub protocol: Option<Protocol>,
    /// Tags of the inbound.
    pub tags: Tags,
}

/// State of an inbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InboundState {
    /// It accepts connections.
    #[default]
    Ready,
    /// It exists, but accepts no connections now.
    NotReady,
    /// It exists for a workload without a service.
    Ignored,
}

impl Inbound {
    /// Returns `true` if it is a usable endpoint: ready by both flags.
    pub fn is_healthy(&self) -> bool {
        self.state == InboundState::Ready && self.ready != Some(false)
    }
}

/// Destination that the application dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataplaneOutbound {
    /// Address that the proxy listens on; absent: 127.0.0.1.
    pub address: Option<String>,
    /// Port that the proxy listens on.
    pub port: u16,
    /// Destination of the connections.
    pub target: OutboundTarget,
}

/// Destination of an outbound: tags, or a real service (2.9+).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundTarget {
    /// Tags, with `kuma.io/service` among them.
    Tags(Tags),
    /// Real service, by name or by labels.
    BackendRef {
        /// MeshService, MeshExternalService or MeshMultiZoneService.
        kind: RefKind,
        /// Display name; absent: selected by labels.
        name: Option<String>,
        /// Labels; empty: selected by name.
        labels: Labels,
        /// Port of the service.
        port: u32,
    },
}

/// Gateway settings of a Dataplane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Sort of gateway.
    pub kind: GatewayType,
    /// Tags, with `kuma.io/service` among them.
    pub tags: Tags,
}

/// Sort of gateway, by the program that serves its listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayType {
    /// Another program; the proxy only carries its outbounds.
    #[default]
    Delegated,
    /// The proxy itself, by MeshGateway.
    Builtin,
}

/// Redirection of connections to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransparentProxying {
    /// Port that incoming connections are redirected to.
    pub redirect_port_inbound: u16,
    /// Port that outgoing connections are redirected to; zero: transparent proxying is off.
    pub redirect_port_outbound: u16,
    /// `true`: connections over IPv6 are not redirected.
    pub ipv4_only: bool,
    /// Services whose endpoints may be dialled directly.
    pub direct_access_services: Vec<String>,
    /// Tag-based services that the application dials; empty: all.
    pub reachable_services: Vec<String>,
    /// Real services that the application dials (2.9+); absent: all.
    pub reachable_backends: Option<Vec<ReachableBackendRef>>,
}

/// Real service that the application dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachableBackendRef {
    /// MeshService, MeshExternalService or MeshMultiZoneService.
    pub kind: RefKind,
    /// Display name of the service.
    pub name: Option<String>,
    /// Namespace of the service.
    pub namespace: Option<String>,
    /// Port of the service; absent: all.
    pub port: Option<u32>,
    /// Labels of the service, instead of a name.
    pub labels: Labels,
}

/// Listener of a zone proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneListener {
    /// Direction of its connections.
    pub kind: ZoneListenerType,
    /// Address that it listens on; absent: `networking.address`.
    pub address: Option<String>,
    /// Port that it listens on.
    pub port: u16,
    /// Name of the listener.
    pub name: Option<String>,
    /// State of the listener.
    pub state: InboundState,
}

/// Direction of the connections of a zone proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneListenerType {
    /// From other zones into this one.
    ZoneIngress,
    /// From this zone to the outside.
    ZoneEgress,
}

impl Dataplane {
    /// Address that other proxies connect to.
    pub fn advertised(&self) -> &str {
        self.advertised_address.as_deref().unwrap_or(&self.address)
    }

    /// Returns `true` if outgoing connections are redirected to the proxy.
    pub fn is_transparent(&self) -> bool {
        self.transparent_proxying
            .as_ref()
            .is_some_and(|t| t.redirect_port_outbound != 0 && t.redirect_port_inbound != 0)
    }

    /// Gateway, if another program serves its listeners.
    pub fn delegated_gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref().filter(|gateway| gateway.kind == GatewayType::Delegated)
    }

    /// Gateway, if this proxy serves its listeners.
    pub fn builtin_gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref().filter(|gateway| gateway.kind == GatewayType::Builtin)
    }

    /// Service that this proxy stands for: of its first inbound, or of its gateway; absent: neither has one.
    pub fn service(&self) -> Option<&str> {
        let tags = self.gateway.as_ref().map(|g| &g.tags).or_else(|| self.inbound.first().map(|i| &i.tags));
        tags.and_then(Tags::service)
    }
}
