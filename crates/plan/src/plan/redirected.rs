//! Connections that the kernel redirects to the proxy.

use model::policy::PassthroughMatch;

use super::{ConnectionSettings, Naming, PolicyOrigin};

/// What becomes of connections that the kernel redirects to the proxy (transparent proxying), as far as no listener that is
/// [captured](super::Bind::captured) is for their original destination.
///
/// The fields beside [`Redirected::outbound`] are about those of other hosts for ports of this one, whether they are inbounds
/// or not (spec 07 §9.5). They go on in plaintext to where they were meant to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirected {
    /// The port of the proxy; 0: nothing is redirected, and the reference's data plane has a listener for it all the same.
    pub port: u16,
    /// The ports that they may have been meant for; absent: any.
    pub only: Option<Vec<u16>>,
    /// Whether connections over IPv6 are redirected too.
    pub ipv6: bool,
    /// What becomes of connections of applications on this host; absent: they are not redirected.
    pub outbound: Option<Leaving>,
    /// How the reference names it.
    pub naming: Naming,
}

/// What becomes of connections of applications on the proxy's host that no outbound is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leaving {
    /// The port of the proxy.
    pub port: u16,
    /// Which of them are passed on to where they were meant to go.
    pub passthrough: Passthrough,
    /// The most important policy that says so; absent: the mesh does, or nobody.
    pub origin: Option<PolicyOrigin>,
    /// How they are treated: of the policies about destinations only a MeshAccessLog speaks of them.
    pub settings: ConnectionSettings,
}

/// Which connections are passed on to where they were meant to go; the others are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Passthrough {
    /// All of them.
    Everything,
    /// None of them.
    Nothing,
    /// Those to one of these destinations, sorted, each once.
    Only(Vec<PassthroughMatch>),
}

impl Leaving {
    /// Which are passed on, in words.
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
