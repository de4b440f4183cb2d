//! The listeners of builtin gateways (spec 01 §8).

use crate::reference::Tags;

/// A MeshGateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshGateway {
    /// Which gateway dataplanes it serves: any of these matches their tags.
    pub selectors: Vec<Tags>,
    /// Tags of all its listeners.
    pub tags: Tags,
    /// Its listeners, in the order of the file.
    pub listeners: Vec<GatewayListener>,
}

/// One listener of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayListener {
    /// The port.
    pub port: u16,
    /// What it speaks.
    pub protocol: GatewayProtocol,
    /// The host that it serves; `*` when absent.
    pub hostname: String,
    /// Its own tags, which a targetRef may select.
    pub tags: Tags,
    /// Whether other meshes may dial it.
    pub cross_mesh: bool,
    /// How many connections may live at once.
    pub connection_limit: Option<u32>,
    /// TLS settings.
    pub tls: Option<GatewayTls>,
}

/// What a gateway listener speaks.
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
    /// Who ends the TLS session.
    pub mode: TlsMode,
    /// Where the certificates come from.
    pub certificates: Vec<CertificateSource>,
}

/// Where a certificate and its key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// A secret of the mesh, by name.
    Secret(String),
    /// The resource itself.
    Inline,
    /// A file of the control plane, by its path.
    File(String),
}

impl CertificateSource {
    /// The word for the sort of source: `secret`, `inline` or `file`.
    pub const fn sort(&self) -> &'static str {
        match self {
            CertificateSource::Secret(_) => "secret",
            CertificateSource::Inline => "inline",
            CertificateSource::File(_) => "file",
        }
    }
}

/// Who ends a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// The gateway.
    Terminate,
    /// The backend.
    Passthrough,
}
