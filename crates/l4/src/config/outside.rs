//! TLS to services outside the mesh: verification of the service, and the proxy's own certificate.

use std::sync::Arc;

use super::{ClientTls, Identity, NamePattern, TlsLimits};

/// TLS of connections to the endpoints of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTls {
    /// TLS to proxies of the mesh.
    Mesh(ClientTls),
    /// TLS to a service outside the mesh.
    Outside(OutsideTls),
}

impl DialTls {
    /// Server name (SNI) for an endpoint in this zone; `None`: no SNI.
    pub fn server_name_for(&self, zone: &str) -> Option<&str> {
        match self {
            Self::Mesh(tls) => tls.server_name_for(zone),
            Self::Outside(tls) => tls.server_name.as_deref(),
        }
    }

    /// Description of credentials that have not arrived yet; `None`: complete.
    pub fn missing(&self) -> Option<&'static str> {
        match self {
            Self::Mesh(tls) => tls.terms.missing(),
            Self::Outside(tls) => tls.terms.missing(),
        }
    }
}

/// TLS to a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTls {
    /// Server name (SNI); `None`: no SNI.
    pub server_name: Option<Arc<str>>,
    /// Authentication and protocol limits.
    pub terms: OutsideTerms,
}

/// Authentication and protocol limits of a handshake with a service outside the mesh. Connections with equal terms
/// differ only in their ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutsideTerms {
    /// Client certificate of this proxy.
    pub shows: ClientCertificate,
    /// Verification of the service.
    pub peer: OutsidePeer,
    /// Limits on protocol versions and cipher suites.
    pub limits: TlsLimits,
}

/// Client certificate that a proxy presents to a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientCertificate {
    /// No certificate, even on request.
    Nothing,
    /// A certificate that has not arrived yet: connections are refused.
    Missing,
    /// This certificate.
    Certificate(Arc<Identity>),
}

/// Verification of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutsidePeer {
    /// No verification: any peer is accepted.
    Anybody,
    /// Verification of the peer's certificate.
    Certified {
        /// Trusted authorities.
        by: TrustedAuthorities,
        /// Names of which the certificate must have one; empty: any name.
        names: Vec<OutsideName>,
    },
}

/// Authorities trusted to sign the certificate of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustedAuthorities {
    /// Trust store of the host, in PEM; `None`: not read yet.
    Host(Option<Arc<str>>),
    /// These authorities, in PEM.
    These(Arc<str>),
    /// Authorities that have not arrived yet: connections are refused.
    Missing,
}

/// Set of names of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutsideName {
    /// DNS names.
    Dns(NamePattern),
    /// IP addresses, as text.
    Address(NamePattern),
}

impl OutsideTerms {
    /// Description of credentials that have not arrived yet; `None`: complete.
    pub fn missing(&self) -> Option<&'static str> {
        match (&self.shows, &self.peer) {
            (ClientCertificate::Missing, _) => {
                Some("the certificate that is shown to it has not arrived yet")
            }
            (_, OutsidePeer::Certified { by: TrustedAuthorities::Missing, names: _ }) => {
                Some("the authorities that are to be believed have not arrived yet")
            }
            _ => None,
        }
    }

    /// Returns the same terms, with the host's trust store filled in where it is used.
    #[must_use]
    pub fn on_host(&self, believes: Option<&Arc<str>>) -> Self {
        match &self.peer {
            OutsidePeer::Certified { by: TrustedAuthorities::Host(_), names } => {
                let by = TrustedAuthorities::Host(believes.cloned());
                Self { peer: OutsidePeer::Certified { by, names: names.clone() }, ..self.clone() }
            }
            OutsidePeer::Certified { .. } | OutsidePeer::Anybody => self.clone(),
        }
    }

    /// Returns `true` if the host's trust store is used.
    pub fn asks_host(&self) -> bool {
        matches!(self.peer, OutsidePeer::Certified { by: TrustedAuthorities::Host(_), names: _ })
    }
}
