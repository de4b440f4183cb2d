//! A proxy, and what it stands for (spec 01 §4).

use crate::reference::{Labels, RefKind, Tags};
use crate::topology::Protocol;

/// A Dataplane: where its proxy listens, and which destinations its application dials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataplane {
    /// Where other proxies connect: an IP address or a DNS name.
    pub address: String,
    /// What other proxies are told instead of `address`.
    pub advertised_address: Option<String>,
    /// What the application offers.
    pub inbound: Vec<Inbound>,
    /// What the application dials.
    pub outbound: Vec<DataplaneOutbound>,
    /// Set for gateways, which have no inbound.
    pub gateway: Option<Gateway>,
    /// Set when connections are redirected to the proxy by the kernel.
    pub transparent_proxying: Option<TransparentProxying>,
    /// Zone ingress and egress listeners of a zone proxy (2.14, 3).
    pub listeners: Vec<ZoneListener>,
}

/// One port that the application offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Where the proxy listens; `networking.address` when absent.
    pub address: Option<String>,
    /// The port that the proxy listens on.
    pub port: u16,
    /// Where the application listens; when absent, where the proxy does, or 127.0.0.1 where that would be the proxy itself.
    pub service_address: Option<String>,
    /// The port that the application listens on; `port` when absent.
    pub service_port: Option<u16>,
    /// The name of the port (2.9+).
    pub name: Option<String>,
    /// Whether it takes part.
    pub state: InboundState,
    /// The older readiness flag, `health.ready`; absent counts as ready.
    pub ready: Option<bool>,
    /// The protocol as a field (profile 3, where it is no tag any more).
    pub protocol: Option<Protocol>,
    /// The tags.
    pub tags: Tags,
}

/// Whether an inbound takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InboundState {
    /// It takes connections.
    #[default]
    Ready,
    /// It exists, but takes none now.
    NotReady,
    /// It exists for a workload without a service.
    Ignored,
}

impl Inbound {
    /// Whether it is a usable endpoint: ready by both flags.
    pub fn is_healthy(&self) -> bool {
        self.state == InboundState::Ready && self.ready != Some(false)
    }
}

/// One destination that the application dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataplaneOutbound {
    /// Where the proxy listens; 127.0.0.1 when absent.
    pub address: Option<String>,
    /// The port that the proxy listens on.
    pub port: u16,
    /// The destination.
    pub target: OutboundTarget,
}

/// The destination of an outbound: tags, or a real service (2.9+).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundTarget {
    /// Tags, with `kuma.io/service` among them.
    Tags(Tags),
    /// A real service, by name or by labels.
    BackendRef {
        /// MeshService, MeshExternalService or MeshMultiZoneService.
        kind: RefKind,
        /// Its display name; absent when selected by labels.
        name: Option<String>,
        /// Its labels; empty when selected by name.
        labels: Labels,
        /// Its port.
        port: u32,
    },
}

/// What makes a proxy a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Who serves its listeners.
    pub kind: GatewayType,
    /// The tags, with `kuma.io/service` among them.
    pub tags: Tags,
}

/// Who serves the listeners of a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayType {
    /// Another program; the proxy only carries its outbounds.
    #[default]
    Delegated,
    /// The proxy itself, by MeshGateway.
    Builtin,
}

/// How connections are redirected to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransparentProxying {
    /// Where incoming connections are redirected to.
    pub redirect_port_inbound: u16,
    /// Where outgoing connections are redirected to; zero: transparent proxying is off.
    pub redirect_port_outbound: u16,
    /// Whether connections over IPv6 are left alone.
    pub ipv4_only: bool,
    /// Services whose endpoints may be dialled directly.
    pub direct_access_services: Vec<String>,
    /// The tag-based services that the application dials; empty: all.
    pub reachable_services: Vec<String>,
    /// The real services that the application dials (2.9+); absent: all.
    pub reachable_backends: Option<Vec<ReachableBackendRef>>,
}

/// One real service that the application dials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachableBackendRef {
    /// MeshService, MeshExternalService or MeshMultiZoneService.
    pub kind: RefKind,
    /// Its display name.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// One of its ports; absent: all.
    pub port: Option<u32>,
    /// Its labels, instead of a name.
    pub labels: Labels,
}

/// A listener of a zone proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneListener {
    /// Which way it carries.
    pub kind: ZoneListenerType,
    /// Where it listens; `networking.address` when absent.
    pub address: Option<String>,
    /// The port that it listens on.
    pub port: u16,
    /// Its name.
    pub name: Option<String>,
    /// Whether it takes part.
    pub state: InboundState,
}

/// Which way a zone proxy carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneListenerType {
    /// From other zones into this one.
    ZoneIngress,
    /// From this zone to the outside.
    ZoneEgress,
}

impl Dataplane {
    /// What other proxies are told to connect to.
    pub fn advertised(&self) -> &str {
        self.advertised_address.as_deref().unwrap_or(&self.address)
    }

    /// Whether outgoing connections are redirected to the proxy.
    pub fn is_transparent(&self) -> bool {
        self.transparent_proxying
            .as_ref()
            .is_some_and(|t| t.redirect_port_outbound != 0 && t.redirect_port_inbound != 0)
    }

    /// The gateway, if another program serves its listeners.
    pub fn delegated_gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref().filter(|gateway| gateway.kind == GatewayType::Delegated)
    }

    /// The gateway, if this proxy serves its listeners.
    pub fn builtin_gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref().filter(|gateway| gateway.kind == GatewayType::Builtin)
    }

    /// The service that this proxy stands for: of its first inbound, or of its gateway; absent where neither says.
    pub fn service(&self) -> Option<&str> {
        let tags = self.gateway.as_ref().map(|g| &g.tags).or_else(|| self.inbound.first().map(|i| &i.tags));
        tags.and_then(Tags::service)
    }
}
