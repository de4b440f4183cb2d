//! Connections for ports of a host that the kernel redirects to its proxy.

use super::Naming;

/// What becomes of connections that the kernel redirects to the proxy for ports of its host, whether they are inbounds or
/// not (transparent proxying, spec 07 §9.5). They go on in plaintext to where they were meant to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirected {
    /// The port of the proxy; 0: nothing is redirected, and the reference's data plane has a listener for it all the same.
    pub port: u16,
    /// The ports that they may have been meant for; absent: any.
    pub only: Option<Vec<u16>>,
    /// Whether connections over IPv6 are redirected too.
    pub ipv6: bool,
    /// How the reference names it.
    pub naming: Naming,
}
