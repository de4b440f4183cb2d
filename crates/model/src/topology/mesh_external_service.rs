//! A service outside the mesh (spec 01 §7).

use std::sync::Arc;

use crate::policy::TlsVersion;
use crate::topology::{CertificateSource, Protocol};

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
    /// `status.addresses[].hostname`.
    pub host_names: Vec<String>,
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
    /// What is verified.
    pub verification: Verification,
    /// Names that the certificate may have besides.
    pub alt_names: Vec<AltName>,
    /// Who must have signed the certificate; whom the proxy's host believes when absent.
    pub authority: Option<ExternalAuthority>,
    /// Where the certificate and the key are that the proxy shows; absent: it shows none.
    pub client: Option<(CertificateSource, CertificateSource)>,
    /// The least version of TLS.
    pub min: Option<TlsVersion>,
    /// The greatest version of TLS.
    pub max: Option<TlsVersion>,
}

impl ExternalTls {
    /// With what sources of certificates say, each with the text that stands in the document. What a certificate of the client
    /// and its key say is not kept.
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

/// What is verified of an external service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Who signed its certificate, and its name.
    #[default]
    Secured,
    /// Only who signed its certificate.
    SkipSan,
    /// Nothing, but it is shown the client's certificate and told which server is meant.
    SkipCa,
    /// Nothing.
    SkipAll,
}

/// A name that the certificate of an external service may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    /// This one.
    Exact(String),
    /// Any that begins so.
    Prefix(String),
}

/// Who must have signed the certificate of an external service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalAuthority {
    /// Those whose certificates stand in the document, in PEM.
    Inline(Arc<str>),
    /// Those in a secret of the mesh, or in a file of the control plane.
    At(CertificateSource),
}
