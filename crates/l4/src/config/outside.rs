//! TLS to services outside the mesh: whom the proxy takes for them, and what it shows.

use std::sync::Arc;

use super::{ClientTls, Identity, NamePattern, TlsLimits};

/// How the endpoints of a cluster are dialled by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTls {
    /// Proxies of the mesh.
    Mesh(ClientTls),
    /// A service outside of it.
    Outside(OutsideTls),
}

impl DialTls {
    /// The server name that an endpoint of a zone is asked for; `None`: none is.
    pub fn server_name_for(&self, zone: &str) -> Option<&str> {
        match self {
            Self::Mesh(tls) => tls.server_name_for(zone),
            Self::Outside(tls) => tls.server_name.as_deref(),
        }
    }

    /// What has not arrived yet, in words; `None`: all is there.
    pub fn missing(&self) -> Option<&'static str> {
        match self {
            Self::Mesh(tls) => tls.terms.missing(),
            Self::Outside(tls) => tls.terms.missing(),
        }
    }
}

/// How a service outside the mesh is dialled by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTls {
    /// The server name that is asked for; `None`: none is.
    pub server_name: Option<Arc<str>>,
    /// What is proven, and how it is spoken.
    pub terms: OutsideTerms,
}

/// What is proven in a handshake with a service outside the mesh. Connections of equal terms have all in common but their ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutsideTerms {
    /// What this proxy shows when it is asked.
    pub shows: Shows,
    /// Whom it takes for the service.
    pub peer: OutsidePeer,
    /// How it is spoken.
    pub limits: TlsLimits,
}

/// What a proxy shows to a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shows {
    /// Nothing: whoever asks for a certificate gets none.
    Nothing,
    /// A certificate that has not arrived yet: nobody is talked to.
    Missing,
    /// This one.
    Certificate(Arc<Identity>),
}

/// Whom a proxy takes for a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutsidePeer {
    /// Whoever answers.
    Anybody,
    /// Who has a certificate that is in order.
    Certified {
        /// Who must have signed it.
        by: Vouching,
        /// The names one of which it must have; none: any will do.
        names: Vec<OutsideName>,
    },
}

/// Who must have signed the certificate of a service outside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vouching {
    /// One whom the host of the proxy believes: in PEM, once that was read.
    Host(Option<Arc<str>>),
    /// One of these, in PEM.
    These(Arc<str>),
    /// Those have not arrived yet: nobody is talked to.
    Missing,
}

/// A set of names of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutsideName {
    /// DNS names.
    Dns(NamePattern),
    /// IP addresses, as text.
    Address(NamePattern),
}

impl OutsideTerms {
    /// What has not arrived yet, in words; `None`: all is there.
    pub fn missing(&self) -> Option<&'static str> {
        match (&self.shows, &self.peer) {
            (Shows::Missing, _) => Some("the certificate that is shown to it has not arrived yet"),
            (_, OutsidePeer::Certified { by: Vouching::Missing, names: _ }) => {
                Some("the authorities that are to be believed have not arrived yet")
            }
            _ => None,
        }
    }

    /// The same, where those whom the host believes were read.
    #[must_use]
    pub fn on_host(&self, believes: Option<&Arc<str>>) -> Self {
        match &self.peer {
            OutsidePeer::Certified { by: Vouching::Host(_), names } => {
                let by = Vouching::Host(believes.cloned());
                Self { peer: OutsidePeer::Certified { by, names: names.clone() }, ..self.clone() }
            }
            OutsidePeer::Certified { .. } | OutsidePeer::Anybody => self.clone(),
        }
    }

    /// Whether it matters whom the host believes.
    pub fn asks_host(&self) -> bool {
        matches!(self.peer, OutsidePeer::Certified { by: Vouching::Host(_), names: _ })
    }
}
