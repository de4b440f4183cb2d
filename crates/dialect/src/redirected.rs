//! What the listeners are called that take redirected connections: one for each version of IP.

use std::net::IpAddr;

/// What access logs call whatever is outside the mesh, as the reference does.
pub(crate) const EXTERNAL: &str = "external";

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// A direction of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

impl Family {
    /// Those over which connections are redirected.
    pub(crate) fn all(ipv6: bool) -> &'static [Self] {
        if ipv6 { &[Self::V4, Self::V6] } else { &[Self::V4] }
    }

    /// The family of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// All addresses of a host.
    pub(crate) fn everywhere(self) -> &'static str {
        match self {
            Self::V4 => "0.0.0.0",
            Self::V6 => "::",
        }
    }

    /// The address from which applications are dialled: what comes from it is not redirected.
    pub(crate) fn unredirected(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.6",
            Self::V6 => "::6",
        }
    }

    /// The name of the listener, and of where connections of it go.
    pub(crate) fn listener(self, way: Way, unified: bool) -> String {
        let way = match way {
            Way::In => "inbound",
            Way::Out => "outbound",
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
