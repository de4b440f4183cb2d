//! TLS of listeners and clusters: what is proven, to whom, and how it is spoken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::permit::Permissions;

/// How a listener ends TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Whether plaintext, and TLS that is the application's own, are passed on as they are. Then only clients that offer the protocol
    /// [`MESH_PROTOCOL`] are of the mesh.
    pub permissive: bool,
    /// What is proven, and how it is spoken.
    pub terms: TlsTerms,
}

/// Where TLS of a mesh ends: how, and who may come in.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsEnd {
    /// How it ends.
    pub tls: ServerTls,
    /// Who may connect; `None`: whoever gets as far.
    pub permissions: Option<Permissions>,
}

/// How a cluster is dialled by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The server name that is asked for; `None`: none is.
    pub server_name: Option<Arc<str>>,
    /// Other server names for endpoints of some zones, by zone.
    pub zones: BTreeMap<Arc<str>, Arc<str>>,
    /// The protocols that are offered (ALPN).
    pub protocols: Vec<Arc<str>>,
    /// What is proven, and how it is spoken.
    pub terms: TlsTerms,
}

impl ClientTls {
    /// The server name that an endpoint of a zone is asked for; `None`: none is.
    pub fn server_name_for(&self, zone: &str) -> Option<&str> {
        self.zones.get(zone).or(self.server_name.as_ref()).map(|name| &**name)
    }
}

/// The protocol by which clients of the mesh are told from others (ALPN).
pub const MESH_PROTOCOL: &[u8] = b"kuma";

/// What is proven in a handshake, and how it is spoken. Connections of equal terms have all in common but their ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsTerms {
    /// What this proxy proves itself with; `None`: it has not arrived yet, and nobody is talked to.
    pub identity: Option<Arc<Identity>>,
    /// Who is believed; `None`: that has not arrived yet, and nobody is talked to.
    pub trust: Option<Arc<Trust>>,
    /// Which peers are welcome: those with a URI name of one of these. Empty: all who are believed.
    pub names: Vec<NamePattern>,
    /// How it is spoken.
    pub limits: TlsLimits,
}

impl TlsTerms {
    /// What has not arrived yet, in words; `None`: all is there.
    pub fn missing(&self) -> Option<&'static str> {
        match (&self.identity, &self.trust) {
            (None, _) => Some("the certificate of this proxy has not arrived yet"),
            (Some(_), None) => Some("the authorities that are to be believed have not arrived yet"),
            (Some(_), Some(_)) => None,
        }
    }
}

/// A certificate and its key, in PEM. Its debug form shows no key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The certificate first, then those between it and an authority.
    pub chain: Arc<str>,
    /// The private key of the first certificate.
    pub key: Arc<str>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// The authorities that are believed, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Each of these for every name. None: nobody is believed.
    OneBundle(Arc<str>),
    /// By trust domain: each for peers whose first URI name is of its domain. None: nobody is believed.
    ByDomain(BTreeMap<Arc<str>, Arc<str>>),
}

/// A set of URI names, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// This one.
    Exact(Arc<str>),
    /// Those that begin so.
    Prefix(Arc<str>),
}

impl NamePattern {
    /// Whether a name is in the set.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }
}

/// A version of TLS that this proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// 1.2
    Tls12,
    /// 1.3
    Tls13,
}

impl TlsVersion {
    /// As logs and metrics say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// Which versions and cipher suites may be spoken. By default all that this proxy knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsLimits {
    /// The oldest version.
    pub min: TlsVersion,
    /// The newest version.
    pub max: TlsVersion,
    /// The suites of TLS 1.2, never of 1.3; empty: all.
    pub ciphers: BTreeSet<Cipher>,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self { min: TlsVersion::Tls12, max: TlsVersion::Tls13, ciphers: BTreeSet::new() }
    }
}

macro_rules! ciphers {
    ($($variant:ident = $text:literal;)*) => {
        /// A cipher suite of TLS 1.2.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cipher { $(#[doc = concat!("`", $text, "`")] $variant,)* }

        impl Cipher {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, as OpenSSL and MeshTLS have it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

ciphers! {
    EcdsaAes128 = "ECDHE-ECDSA-AES128-GCM-SHA256";
    EcdsaAes256 = "ECDHE-ECDSA-AES256-GCM-SHA384";
    EcdsaChacha20 = "ECDHE-ECDSA-CHACHA20-POLY1305";
    RsaAes128 = "ECDHE-RSA-AES128-GCM-SHA256";
    RsaAes256 = "ECDHE-RSA-AES256-GCM-SHA384";
    RsaChacha20 = "ECDHE-RSA-CHACHA20-POLY1305";
}

impl Cipher {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cipher| cipher.as_str() == name)
    }
}
