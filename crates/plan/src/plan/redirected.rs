//! Connections that the kernel redirects to the proxy.

use model::policy::PassthroughMatch;

use super::{ConnectionSettings, Naming, PolicyOrigin};

/// Treatment of connections that the kernel redirects to the proxy (transparent proxying) and whose original
/// destination matches no listener that is [captured](super::Bind::captured).
///
/// The fields beside [`Redirected::outbound`] are about connections of other hosts for ports of this one, whether
/// they are inbounds or not (spec 07 §9.5). They are passed on in plaintext to their original destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirected {
    /// Port of the proxy; 0: nothing is redirected, and the reference's data plane has a listener for it all the
    /// same.
    pub port: u16,
    /// Original destination ports that are accepted; absent: any.
    pub only: Option<Vec<u16>>,
    /// `true`: connections over IPv6 are redirected too.
    pub ipv6: bool,
    /// Treatment of connections of applications on this host; absent: they are not redirected.
    pub outbound: Option<Leaving>,
    /// Names of the listener in the reference.
    pub naming: Naming,
}

/// Treatment of connections of applications on the proxy's host that match no outbound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaving {
    /// Port of the proxy.
    pub port: u16,
    /// Connections that are passed on to their original destination.
    pub passthrough: Passthrough,
    /// Most important policy that says so; absent: the mesh or the default.
    pub origin: Option<PolicyOrigin>,
    /// Settings of the connections: of the policies about destinations only a MeshAccessLog applies to them.
    pub settings: ConnectionSettings,
}

/// Connections that are passed on to their original destination; the others are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Passthrough {
    /// All connections.
    Everything,
    /// No connections.
    Nothing,
    /// Connections to one of these destinations, sorted, each once.
    Only(Vec<PassthroughMatch>),
}

impl Leaving {
    /// Returns the connections that are passed on, in words.
    pub fn in_words(&self) -> String {
        match &self.passthrough {
            Passthrough::Everything => "passed on to where it was meant to go".to_owned(),
            Passthrough::Nothing => "refused".to_owned(),
            Passthrough::Only(matches) => {
                let to = |to: &PassthroughMatch| match to.port {
                    Some(port) => format!("{} {} port {port}", to.protocol.as_str(), to.written),
                    None => format!("{} {}", to.protocol.as_str(), to.written),
                };
                format!(
                    "passed on to {}, else refused",
                    matches.iter().map(to).collect::<Vec<_>>().join(", ")
                )
            }
        }
    }
}
