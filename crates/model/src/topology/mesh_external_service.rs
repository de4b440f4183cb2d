//! MeshExternalService: a service outside the mesh (spec 01 §7).

use std::sync::Arc;

use crate::policy::TlsVersion;
use crate::topology::{CertificateSource, Protocol};

/// MeshExternalService. It has exactly one port, whatever section a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshExternalService {
    /// Port that clients dial.
    pub port: u32,
    /// Protocol of the service; default tcp.
    pub protocol: Protocol,
    /// Endpoints of the service.
    pub endpoints: Vec<ExternalEndpoint>,
    /// TLS to the service; absent: plaintext.
    pub tls: Option<ExternalTls>,
    /// `true`: a plugin provides the endpoints.
    pub has_extension: bool,
    /// `status.vip.ip`.
    pub vip: Option<String>,
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
}

/// Address of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalEndpoint {
    /// IP address, DNS name, or `unix:///path`.
    pub address: String,
    /// Port; 0 for a Unix socket.
    pub port: u32,
    /// Priority; lower is tried first (2.14+); default 0.
    pub priority: u32,
}

/// TLS to a service outside the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalTls {
    /// Server name to verify, and to send as SNI; absent: the endpoint's host.
    pub server_name: Option<String>,
    /// Verification of the certificate.
    pub verification: Verification,
    /// Additional names that the certificate may have.
    pub alt_names: Vec<AltName>,
    /// Authority that must have signed the certificate; absent: those that the proxy's host trusts.
    pub authority: Option<ExternalAuthority>,
    /// Sources of the client certificate and its key; absent: none is presented.
    pub client: Option<(CertificateSource, CertificateSource)>,
    /// Minimum TLS version; absent: the library's default.
    pub min: Option<TlsVersion>,
    /// Maximum TLS version; absent: the library's default.
    pub max: Option<TlsVersion>,
}

impl ExternalTls {
    /// Fills in the texts of inline certificates from the document. Those of the client's certificate and key are
    /// not kept.
    pub(crate) fn of_certificates(
        authority: Option<(CertificateSource, String)>,
        certificate: Option<(CertificateSource, String)>,
        key: Option<(CertificateSource, String)>,
    ) -> Self {
        let authority = authority.map(|(source, text)| match source {
            CertificateSource::Inline => ExternalAuthority::Inline(text.into()),
            CertificateSource::Secret(_) | CertificateSource::File(_) => ExternalAuthority::At(source),
        });
        let place = |source: Option<(CertificateSource, String)>| source.map(|(source, _)| source);
        Self { authority, client: place(certificate).zip(place(key)), ..Self::default() }
    }
}

/// Verification of the certificate of a service outside the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Signature and name of the certificate.
    #[default]
    Secured,
    /// Signature of the certificate only.
    SkipSan,
    /// Nothing, but the client certificate and the server name are sent.
    SkipCa,
    /// Nothing.
    SkipAll,
}

/// Name that the certificate of a service outside the mesh may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    /// This name.
    Exact(String),
    /// Any name with this prefix.
    Prefix(String),
}

/// Authority that must have signed the certificate of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalAuthority {
    /// Authorities with these certificates in the document, in PEM.
    Inline(Arc<str>),
    /// Authorities in a secret of the mesh, or in a file of the control plane.
    At(CertificateSource),
}
