//! End of a TLS session: the proxy or the backend.

use std::sync::Arc;

use super::Terminated;

/// Party that ends a TLS session whose server name has been read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TlsTermination {
    /// Backend of the connection: the proxy passes TLS on as it came.
    Passthrough,
    /// Proxy, with certificates of its own.
    Terminated {
        /// Sources of the certificates: `secret`, `inline` or `file`, one entry per certificate.
        certificates: Vec<String>,
    },
    /// Proxy, by the TLS of a mesh, with an identity of that mesh: a zone egress, which several meshes share.
    Mtls(Arc<Terminated>),
    /// Proxy, by the TLS of the mesh: gateways and proxies of other meshes dial it.
    CrossMesh,
    /// Not configured.
    Unsaid,
}
