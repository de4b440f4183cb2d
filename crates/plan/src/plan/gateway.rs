//! What a builtin gateway serves.

use model::topology::TlsMode;

use super::{Backend, ConnectionSettings, PolicyOrigin, SplitSettings};

/// Why a gateway listener without any rule refuses connections.
pub const NO_GATEWAY_ROUTE: &str = "no MeshTCPRoute speaks about this gateway listener";

/// One listener of a builtin gateway: all hostnames on one port (spec 04 §12.2).
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayListener {
    /// `<gateway name>:<TCP|TLS>:<port>`.
    pub name: String,
    /// The IP address that the proxy listens on.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken on it.
    pub tls: bool,
    /// The name in statistics: the gateway dataplane's service.
    pub stat_name: String,
    /// What is served on it, by hostname, most exact first; for TCP one entry with the hostname `*`.
    pub hosts: Vec<GatewayHost>,
    /// How its connections are treated.
    pub connections: ConnectionSettings,
}

/// What a gateway listener serves under one hostname.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayHost {
    /// The hostname; `*` for every one.
    pub hostname: String,
    /// TLS settings; absent on TCP listeners.
    pub tls: Option<GatewayTls>,
    /// Where its connections go. TCP: sorted by cluster name (spec 04 §12.2). Empty without any rule.
    pub split: Vec<Backend>,
    /// What the routes that made the split declare about it; where several do, the first by name.
    pub split_settings: SplitSettings,
    /// Whether any rule speaks about it; without one it serves nothing (spec 04 §12.2).
    pub routed: bool,
    /// The policies whose rules made the split.
    pub origins: Vec<PolicyOrigin>,
}

/// TLS settings of a gateway host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// Who ends the TLS session; absent on cross-mesh listeners, which use the mesh identity.
    pub mode: Option<TlsMode>,
    /// Where the certificates come from: `secret`, `inline` or `file`, one entry a certificate.
    pub certificates: Vec<String>,
    /// Whether other meshes dial it, with mesh TLS.
    pub cross_mesh: bool,
}
