//! Which TLS proxies of a mesh speak with each other.

use model::policy::{TlsCipher, TlsVersion};
use serde::Serialize;

use super::sourced::settings;
use super::{PolicyOrigin, Sourced, words};

settings! {
    /// Versions and ciphers of TLS between proxies of a mesh; each value with the policy that set it.
    TlsParams {
        /// The least version; absent: as the data plane has it.
        min: Option<Sourced<TlsVersion>>, "least TLS version", words::tls_version;
        /// The greatest version; absent: as the data plane has it.
        max: Option<Sourced<TlsVersion>>, "greatest TLS version", words::tls_version;
        /// The ciphers of TLS 1.2 and before, in order; absent: as the data plane has them.
        ciphers: Option<Sourced<Vec<TlsCipher>>>, "TLS ciphers", words::tls_ciphers;
    }
}

impl TlsParams {
    /// Whether nobody says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
