//! What proxies announce about themselves.

use std::sync::Arc;

/// What a proxy announced when it connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyFeatures {
    /// It takes KRIs as names where its mesh is `Exclusive` (2.12+; spec 01 §3).
    pub unified_naming: bool,
    /// It binds the ports of its outbounds even with transparent proxying (2.11+).
    pub bind_outbounds: bool,
    /// How connections are redirected to it, whatever its Dataplane says (2.9+); absent: as the Dataplane says.
    pub transparent: Option<Redirection>,
    /// It has a workload identity of its own, from a MeshIdentity (2.12+; spec 04 §8.2).
    pub workload_identity: bool,
    /// It closes what is redirected to it for ports that are no inbounds (2.13+; spec 07 §9.5).
    pub strict_inbound_ports: bool,
    /// Socket of the SPIRE agent beside it (2.12+; spec 07 §12.6); `None`: the default of agents.
    pub spire_socket: Option<Arc<str>>,
}

/// How the kernel redirects connections to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// The port that connections of other hosts are redirected to; 0: they are not.
    pub inbound: u16,
    /// The port that connections of applications on its host are redirected to; never 0.
    pub outbound: u16,
    /// Whether connections over IPv6 are redirected too.
    pub ipv6: bool,
}

impl Default for Redirection {
    /// As the reference has it unless told otherwise: ports 15006 and 15001, over both IPs.
    fn default() -> Self {
        Self { inbound: 15006, outbound: 15001, ipv6: true }
    }
}
