//! Who ends a TLS session.

use std::sync::Arc;

use super::Terminated;

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
