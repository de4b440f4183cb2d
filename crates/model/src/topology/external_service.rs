//! A service outside the mesh, in the tag-based model (spec 01 §12).

use crate::reference::Tags;
use crate::topology::ExternalTls;

/// An ExternalService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalService {
    /// Its tags, with `kuma.io/service` among them.
    pub tags: Tags,
    /// Its host: an IP address or a DNS name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS to it; absent: plaintext. Its name is sent and verified, or the host where it says none; which names besides its
    /// certificate may have, and which versions of TLS, it never says.
    pub tls: Option<ExternalTls>,
}
