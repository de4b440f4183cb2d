//! Features that proxies announce about themselves.

use std::sync::Arc;

/// Features that a proxy announced when it connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyFeatures {
    /// `true`: it takes KRIs as names where its mesh is `Exclusive` (2.12+; spec 01 §3).
    pub unified_naming: bool,
    /// `true`: it binds the ports of its outbounds even with transparent proxying (2.11+).
    pub bind_outbounds: bool,
    /// Redirection of connections to it, which overrides its Dataplane (2.9+); absent: as the Dataplane says.
    pub transparent: Option<Redirection>,
    /// `true`: it has a workload identity of its own, from a MeshIdentity (2.12+; spec 04 §8.2).
    pub workload_identity: bool,
    /// `true`: it closes redirected connections for ports that are not inbounds (2.13+; spec 07 §9.5).
    pub strict_inbound_ports: bool,
    /// Socket of the SPIRE agent beside it (2.12+; spec 07 §12.6); `None`: the default of agents.
    pub spire_socket: Option<Arc<str>>,
}

/// Redirection of connections to a proxy by the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Port that connections of other hosts are redirected to; 0: they are not redirected.
    pub inbound: u16,
    /// Port that connections of applications on its host are redirected to; never 0.
    pub outbound: u16,
    /// `true`: connections over IPv6 are redirected too.
    pub ipv6: bool,
}

impl Default for Redirection {
    /// Default of the reference: ports 15006 and 15001, over both IPv4 and IPv6.
    fn default() -> Self {
        Self { inbound: 15006, outbound: 15001, ipv6: true }
    }
}
