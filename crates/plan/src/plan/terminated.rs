//! TLS between proxies of a mesh, where it ends.

use std::sync::Arc;

use super::{Mtls, Permissions, PolicyOrigin, TlsParams};

/// TLS between proxies of the mesh that ends at a listener, for all of its connections or for those of one server name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terminated {
    /// How the proxy proves who it is, and whom it believes.
    pub mtls: Arc<Mtls>,
    /// Whether plaintext, and TLS of the application, is taken too, and passed on as it comes.
    pub permissive: bool,
    /// The policy that says whether; absent: the mesh, or the identity, does.
    pub mode_by: Option<PolicyOrigin>,
    /// Versions and ciphers.
    pub params: TlsParams,
    /// With which of these one URI SAN of a peer must begin, sorted; none: any identity that is believed will do.
    pub peer_prefixes: Vec<String>,
    /// Who may connect.
    pub permissions: Permissions,
    /// What statistics of the reference's data plane call those who may and may not; absent: as the listener.
    pub counted_as: Option<String>,
}
