//! Which connections a route is about.

use std::sync::Arc;

use super::Terminated;

/// Which connections of a listener a route is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// All of them.
    Everything,
    /// Those whose TLS names a server.
    ServerName {
        /// A host name, `*.` and the end of one, or `*` for every one.
        pattern: String,
        /// Who ends the TLS session.
        session: Session,
    },
}

/// Who ends a TLS session whose server name has been looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// Whoever the connection goes to: it stays closed here.
    Passthrough,
    /// The proxy.
    Terminated {
        /// Where the certificates come from: `secret`, `inline` or `file`, one entry a certificate.
        certificates: Vec<String>,
    },
    /// The proxy, by the TLS of a mesh, with an identity of that mesh: a zone egress, which several meshes share.
    Mtls(Arc<Terminated>),
    /// The proxy, by the TLS of the mesh: gateways and proxies of other meshes dial it.
    CrossMesh,
    /// Nobody says.
    Unsaid,
}

impl Match {
    /// The host names that it claims; `*` for every one.
    pub fn hostname(&self) -> &str {
        match self {
            Match::Everything => "*",
            Match::ServerName { pattern, session: _ } => pattern,
        }
    }
}
