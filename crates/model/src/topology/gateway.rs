//! MeshGateway: the listeners of builtin gateways (spec 01 §8).

use crate::reference::Tags;

/// MeshGateway: the listeners of the gateway dataplanes that it selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshGateway {
    /// Selectors of gateway dataplanes, any of which must match their tags.
    pub selectors: Vec<Tags>,
    /// Tags of all its listeners.
    pub tags: Tags,
    /// Listeners, in the order of the file.
    pub listeners: Vec<GatewayListener>,
}

/// Listener of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayListener {
    /// Port of the listener.
    pub port: u16,
    /// Protocol of the listener.
    pub protocol: GatewayProtocol,
    /// Host that it serves; absent: `*`.
    pub hostname: String,
    /// Own tags, which a targetRef may select.
    pub tags: Tags,
    /// `true`: other meshes may dial it.
    pub cross_mesh: bool,
    /// Limit on live connections; absent: no limit.
    pub connection_limit: Option<u32>,
    /// TLS settings; absent: none.
    pub tls: Option<GatewayTls>,
}

/// Protocol of a gateway listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are the protocols'
pub enum GatewayProtocol {
    Tcp,
    Tls,
    Http,
    Https,
}

/// TLS settings of a gateway listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// Party that ends the TLS session.
    pub mode: TlsMode,
    /// Sources of the certificates.
    pub certificates: Vec<CertificateSource>,
}

/// Source of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Secret of the mesh, by name.
    Secret(String),
    /// Resource itself.
    Inline,
    /// File of the control plane, by its path.
    File(String),
}

impl CertificateSource {
    /// Word for the sort of source: `secret`, `inline` or `file`.
    pub const fn sort(&self) -> &'static str {
        match self {
            CertificateSource::Secret(_) => "secret",
            CertificateSource::Inline => "inline",
            CertificateSource::File(_) => "file",
        }
    }
}

/// Party that ends a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Gateway.
    Terminate,
    /// Backend.
    Passthrough,
}
