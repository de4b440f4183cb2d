//! Arrival of connections at a listener: over a socket of its own, or redirected by the kernel.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::Network;

/// Way in which connections arrive at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Own socket, bound to the listener's address.
    Opened,
    /// No socket of its own: the kernel redirects connections with these original destinations to a redirected listener
    /// of the same proxy and direction, which hands them over.
    Captured(Destinations),
    /// Own socket, to which the kernel redirects connections. Those without a captured listener stay here.
    Redirected,
}

impl Arrival {
    /// Returns `true` if a socket is bound for it.
    pub fn is_opened(&self) -> bool {
        match self {
            Self::Opened | Self::Redirected => true,
            Self::Captured(_) => false,
        }
    }
}

/// Set of original destinations of a captured listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destinations {
    network: Network,
    port: Option<NonZeroU16>,
}

impl Destinations {
    /// Destinations whose first `prefix` bits are those of `network`, with this port or, for `None`, any port. Returns
    /// `None` if `prefix` is longer than the address.
    pub fn new(network: IpAddr, prefix: u8, port: Option<NonZeroU16>) -> Option<Self> {
        Some(Self { network: Network::new(network, prefix)?, port })
    }

    /// Returns `true` if the set contains a destination.
    pub fn contain(&self, destination: SocketAddr) -> bool {
        let port = self.port.is_none_or(|port| port.get() == destination.port());
        port && self.network.contains(destination.ip())
    }

    /// Sole destination of the set; `None`: there are several.
    pub(crate) fn only(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.network.only()?, self.port?.get()))
    }

    /// Specificity, greater is more specific: a port before any port, then the longer prefix.
    pub(crate) fn specificity(&self) -> (bool, u8) {
        (self.port.is_some(), self.network.prefix())
    }

    pub(crate) fn port(&self) -> Option<NonZeroU16> {
        self.port
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, port } = self;
        match (self.only(), port) {
            (Some(only), _) => only.fmt(f),
            (None, Some(port)) => write!(f, "{network} port {port}"),
            (None, None) => network.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(network: &str, prefix: u8, port: u16) -> Destinations {
        Destinations::new(network.parse().unwrap(), prefix, NonZeroU16::new(port)).unwrap()
    }

    #[test]
    fn bits_behind_the_prefix_mean_nothing() {
        for (destinations, inside, outside) in [
            (to("10.78.1.2", 16, 443), "10.78.255.255:443", "10.79.0.0:443"),
            (to("10.78.0.0", 16, 443), "10.78.0.1:443", "10.78.0.1:444"),
            (to("10.78.0.1", 32, 0), "10.78.0.1:1", "10.78.0.2:1"),
            (to("0.0.0.0", 0, 443), "255.255.255.255:443", "[::1]:443"),
            (to("fd00::1", 64, 0), "[fd00::ffff:1]:9", "[fd00:0:0:1::]:9"),
            (to("::", 0, 5432), "[ff::1]:5432", "1.2.3.4:5432"),
        ] {
            assert!(destinations.contain(inside.parse().unwrap()), "{destinations} {inside}");
            assert!(!destinations.contain(outside.parse().unwrap()), "{destinations} {outside}");
        }
        assert_eq!(Destinations::new("10.0.0.0".parse().unwrap(), 33, None), None);
        assert_eq!(to("10.1.2.3", 8, 0).to_string(), "10.0.0.0/8");
        assert_eq!(to("fd00::1", 128, 80).to_string(), "[fd00::1]:80");
    }
}
