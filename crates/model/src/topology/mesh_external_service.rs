//! A service outside the mesh (spec 01 §7).

use crate::topology::Protocol;

/// A MeshExternalService. It has exactly one port, whatever section a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshExternalService {
    /// The port that clients use.
    pub port: u32,
    /// What it speaks; default tcp.
    pub protocol: Protocol,
    /// Where it is.
    pub endpoints: Vec<ExternalEndpoint>,
    /// TLS to the service; absent: plaintext.
    pub tls: Option<ExternalTls>,
    /// Whether a plugin provides the endpoints.
    pub has_extension: bool,
    /// `status.vip.ip`.
    pub vip: Option<String>,
}

/// One address of an external service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalEndpoint {
    /// An IP address, a DNS name, or `unix:///path`.
    pub address: String,
    /// The port; 0 for a Unix socket.
    pub port: u32,
    /// Lower is tried first (2.14+); default 0.
    pub priority: u32,
}

/// TLS to an external service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalTls {
    /// The name to verify, and to send as SNI; the endpoint's host when absent.
    pub server_name: Option<String>,
    /// Whether the certificate is verified at all.
    pub skip_verification: bool,
}
