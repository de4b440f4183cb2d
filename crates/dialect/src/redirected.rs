//! Names of the listeners of redirected connections: one for each version of IP.

use std::net::IpAddr;

/// Service name of destinations outside the mesh in access logs, as in the reference.
pub(crate) const EXTERNAL: &str = "external";

/// Version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Direction of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrafficDirection {
    In,
    Out,
}

impl Family {
    /// Returns those over which connections are redirected.
    pub(crate) fn all(ipv6: bool) -> &'static [Self] {
        if ipv6 { &[Self::V4, Self::V6] } else { &[Self::V4] }
    }

    /// Returns the family of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Wildcard address of the family.
    pub(crate) fn everywhere(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0",
            Self::V6 => "::",
        }
    }

    /// Returns the address from which applications are dialled: connections from it are not redirected.
    pub(crate) fn unredirected(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.6",
            Self::V6 => "::6",
        }
    }

    /// Returns the name of the listener, and of the cluster of its connections.
    pub(crate) fn listener(self, way: TrafficDirection, unified: bool) -> String {
        let way = match way {
            TrafficDirection::In => "inbound",
            TrafficDirection::Out => "outbound",
        };
        let family = match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        };
        match unified {
            true => format!("self_transparentproxy_passthrough_{way}_{family}"),
            false => format!("{way}:passthrough:{family}"),
        }
    }
}
