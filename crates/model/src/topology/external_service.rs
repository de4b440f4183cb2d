//! ExternalService: a service outside the mesh, in the tag-based model (spec 01 §12).

use crate::reference::Tags;
use crate::topology::ExternalTls;

/// ExternalService: a service outside the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalService {
    /// Tags, with `kuma.io/service` among them.
    pub tags: Tags,
    /// Host: an IP address or a DNS name.
    pub host: String,
    /// Port of the service.
    pub port: u16,
    /// `true`: a proxy to which connections are redirected takes those to the host, where that is an IP address.
    pub is_dialled_by_host: bool,
    /// TLS to it; absent: plaintext. Its server name is sent and verified, or the host if it has none; it never has
    /// other names of the certificate, nor versions of TLS.
    pub tls: Option<ExternalTls>,
}
