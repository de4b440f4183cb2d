//! Kinds of which routing TCP needs a field or two.

use crate::reference::Tags;

/// A MeshZoneAddress: what other zones dial to reach one (profile 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshZoneAddress {
    /// The address and the port; absent: it cannot be dialled.
    pub place: Option<(String, u32)>,
}

/// A MeshGatewayRoute: the older routes of builtin gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshGatewayRoute {
    /// Where it routes to: the tags of its backends, of TCP, TLS and HTTP rules in this order.
    pub destinations: Vec<Tags>,
}

/// A VirtualOutbound: names for services, made of their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualOutbound {
    /// Of which services: any of these matches their tags.
    pub selectors: Vec<Tags>,
    /// The tags that names are made of.
    pub tag_keys: Vec<String>,
}
