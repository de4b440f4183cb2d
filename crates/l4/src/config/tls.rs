//! TLS of listeners and clusters: credentials, verification of peers, and protocol limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::permit::Permissions;
use crate::words::words;

/// TLS termination of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// `true`: plaintext and the application's own TLS are passed through; only clients that offer the ALPN protocol
    /// [`MESH_PROTOCOL`] belong to the mesh.
    pub permissive: bool,
    /// Authentication and protocol limits.
    pub terms: TlsTerms,
}

/// TLS termination with the permissions of its clients.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsEnd {
    /// TLS termination.
    pub tls: ServerTls,
    /// Permissions of clients; `None`: every client that passes the handshake is allowed.
    pub permissions: Option<Permissions>,
}

/// TLS of connections to the endpoints of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Server name (SNI); `None`: no SNI.
    pub server_name: Option<Arc<str>>,
    /// Server names for endpoints of particular zones, by zone.
    pub zones: BTreeMap<Arc<str>, Arc<str>>,
    /// Protocols to offer (ALPN).
    pub protocols: Vec<Arc<str>>,
    /// Authentication and protocol limits.
    pub terms: TlsTerms,
}

impl ClientTls {
    /// Server name (SNI) for an endpoint in this zone; `None`: no SNI.
    pub fn server_name_for(&self, zone: &str) -> Option<&str> {
        self.zones.get(zone).or(self.server_name.as_ref()).map(|name| &**name)
    }
}

/// ALPN protocol that tells clients of the mesh from others.
pub const MESH_PROTOCOL: &[u8] = b"kuma";

/// Authentication and protocol limits of a handshake. Connections with equal terms differ only in their ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsTerms {
    /// Certificate and key of this proxy; `None`: not arrived yet, connections are refused.
    pub identity: Option<Arc<Identity>>,
    /// Trusted authorities; `None`: not arrived yet, connections are refused.
    pub trust: Option<Arc<Trust>>,
    /// URI names of accepted peers, which need one of them. Empty: every trusted peer.
    pub names: Vec<NamePattern>,
    /// Limits on protocol versions and cipher suites.
    pub limits: TlsLimits,
}

impl TlsTerms {
    /// Description of credentials that have not arrived yet; `None`: complete.
    pub fn missing(&self) -> Option<&'static str> {
        match (&self.identity, &self.trust) {
            (None, _) => Some("the certificate of this proxy has not arrived yet"),
            (Some(_), None) => Some("the authorities that are to be believed have not arrived yet"),
            (Some(_), Some(_)) => None,
        }
    }
}

/// Certificate and private key, in PEM. The `Debug` form does not show the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Certificate chain: the leaf first, then intermediates.
    pub chain: Arc<str>,
    /// Private key of the leaf certificate.
    pub key: Arc<str>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Trusted authorities, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// One bundle for every name. Empty: no peer is trusted.
    OneBundle(Arc<str>),
    /// Bundles by trust domain: each for peers whose first URI name is in its domain. Empty: no peer is trusted.
    ByDomain(BTreeMap<Arc<str>, Arc<str>>),
}

/// Set of URI names, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// This name.
    Exact(Arc<str>),
    /// Names with this prefix.
    Prefix(Arc<str>),
}

impl NamePattern {
    /// Returns `true` if a name is in the set.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }
}

words! {
    /// TLS version that this proxy speaks.
    TlsVersion {
        /// TLS 1.2.
        Tls12 = "1.2";
        /// TLS 1.3.
        Tls13 = "1.3";
    }
}

/// Limits on protocol versions and cipher suites. Default: everything that this proxy supports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsLimits {
    /// Oldest version.
    pub min: TlsVersion,
    /// Newest version.
    pub max: TlsVersion,
    /// Cipher suites of TLS 1.2, never of 1.3; empty: all.
    pub ciphers: BTreeSet<Cipher>,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self { min: TlsVersion::Tls12, max: TlsVersion::Tls13, ciphers: BTreeSet::new() }
    }
}

words! {
    /// Cipher suite of TLS 1.2, by its name in OpenSSL and MeshTLS.
    #[allow(missing_docs)] // the words are the suites' names
    Cipher {
        EcdsaAes128 = "ECDHE-ECDSA-AES128-GCM-SHA256";
        EcdsaAes256 = "ECDHE-ECDSA-AES256-GCM-SHA384";
        EcdsaChacha20 = "ECDHE-ECDSA-CHACHA20-POLY1305";
        RsaAes128 = "ECDHE-RSA-AES128-GCM-SHA256";
        RsaAes256 = "ECDHE-RSA-AES256-GCM-SHA384";
        RsaChacha20 = "ECDHE-RSA-CHACHA20-POLY1305";
    }
}

impl Cipher {
    /// Returns the cipher suite with this name; `None`: unknown name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.as_str() == name)
    }
}
