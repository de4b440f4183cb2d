//! Kinds of which TCP routing needs only a field or two.

use crate::reference::Tags;

/// MeshZoneAddress: the address by which other zones reach a zone (profile 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshZoneAddress {
    /// Address and port; absent: it cannot be dialled.
    pub place: Option<(String, u32)>,
}

/// MeshGatewayRoute: the older routes of builtin gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshGatewayRoute {
    /// Destinations of its routes: the tags of its backends, of TCP, TLS and HTTP rules in this order.
    pub destinations: Vec<Tags>,
}

/// VirtualOutbound: names for services, made from their tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualOutbound {
    /// Selectors of services, any of which must match their tags.
    pub selectors: Vec<Tags>,
    /// Keys of the tags that names are made of.
    pub tag_keys: Vec<String>,
}
