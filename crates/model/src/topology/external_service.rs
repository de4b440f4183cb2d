//! A service outside the mesh, in the tag-based model (spec 01 §12).

use crate::reference::Tags;

/// An ExternalService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalService {
    /// Its tags, with `kuma.io/service` among them.
    pub tags: Tags,
    /// Its host: an IP address or a DNS name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// The SNI to send; the host when absent.
    pub server_name: Option<String>,
}
