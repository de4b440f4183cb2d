//! Termination of TLS between proxies of a mesh.

use std::sync::Arc;

use super::{Mtls, Permissions, PolicyOrigin, TlsParams};

/// Mesh TLS that ends at a listener, for all of its connections or for those of one server name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terminated {
    /// Identity of the proxy, and the peers that it trusts.
    pub mtls: Arc<Mtls>,
    /// `true`: plaintext, and TLS of the application, is accepted too and passed on as it comes.
    pub permissive: bool,
    /// Policy that sets `permissive`; absent: the mesh, or the identity, does.
    pub mode_by: Option<PolicyOrigin>,
    /// TLS versions and ciphers.
    pub params: TlsParams,
    /// Prefixes one of which a URI SAN of the peer must have, sorted; none: any trusted identity.
    pub peer_prefixes: Vec<String>,
    /// Permissions to connect.
    pub permissions: Permissions,
    /// Name of the permissions in statistics of the reference's data plane; absent: that of the listener.
    pub counted_as: Option<String>,
}
